// Gathers lines and hands them on in large pieces: a write for each would take longer than making it.

/** Where text goes; it has been written when this returns. */
export interface TextSink {
  write(text: string): void;
}

/** About 80 lines; a pipe holds 64 KiB. */
const MOST_CHARACTERS = 32_768;
const LONGEST_WAIT_MS = 100;

/** Nothing waits longer than 100 ms, nor beyond the end of the process, unless it is killed. */
export class LineBuffer implements TextSink {
  readonly #sink: TextSink;
  #text = '';
  #timer: NodeJS.Timeout | null = null;

  constructor(sink: TextSink) {
    this.#sink = sink;
    // Also after an uncaught exception.
    process.on('exit', () => this.flush());
  }

  write(line: string): void {
    this.#text += line;
    if (this.#text.length >= MOST_CHARACTERS) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), LONGEST_WAIT_MS).unref();
  }

  flush(): void {
    if (this.#timer) clearTimeout(this.#timer);
    this.#timer = null;
    const text = this.#text;
    this.#text = '';
    if (text !== '') this.#sink.write(text);
  }
}
