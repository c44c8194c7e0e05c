// Lines of JSON in a file: appended by a process that may be killed at any moment, read back by those that judge.
import { closeSync, createReadStream, fdatasync, openSync, readFileSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

const SYNC_EVERY_MS = 1_000;

/** What `append` has returned from outlives this process; what is a second old outlives the machine as well. */
export class Journal implements Disposable {
  readonly #file: number;
  readonly #timer: NodeJS.Timeout;
  #isDirty = false;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
    this.#timer = setInterval(() => this.#sync(), SYNC_EVERY_MS);
    this.#timer.unref();
  }

  append(line: object): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
    this.#isDirty = true;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    closeSync(this.#file);
  }

  #sync(): void {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    // A disk that refuses shows at the next append.
    fdatasync(this.#file, () => undefined);
  }
}

/** The objects of a file that may lack its last line's end: a cut line is left out. */
export async function* readJournal<T>(path: string): AsyncGenerator<T> {
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    const object = parse(line);
    if (object !== null) yield object as T;
  }
}

export function readWholeJournal<T>(path: string): T[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => parse(line) as T | null)
    .filter((object) => object !== null);
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}
