// Notes when a timer of the runner's was late: then the machine stood still, and may have held up the product as well.
import { join } from 'node:path';
import type { Stall } from './checker/history.ts';
import { Journal } from './journal.ts';

const LOOK_EVERY_MS = 100;
const LATE_MS = 500;

export class StallWatch implements Disposable {
  readonly #journal: Journal;
  readonly #timer: NodeJS.Timeout;
  #lookedAt = Date.now();

  constructor(folder: string) {
    this.#journal = new Journal(join(folder, 'stalls.jsonl'));
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  #look(): void {
    const [from, until] = [this.#lookedAt, Date.now()];
    this.#lookedAt = until;
    if (until - from < LOOK_EVERY_MS + LATE_MS) return;
    const stall: Stall = { from, until };
    this.#journal.append(stall);
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    this.#look();
    this.#journal[Symbol.dispose]();
  }
}
