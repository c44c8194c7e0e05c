// A value that is read at most so often, by one reader at a time, however many ask.
import type { Clock } from '#clock';

export class Cached<T> {
  readonly #read: () => Promise<T>;
  readonly #maxAgeMs: number;
  readonly #clock: Clock;
  #known: { value: T; readAt: number } | undefined;
  #reading: Promise<T> | undefined;

  constructor(options: { read: () => Promise<T>; maxAgeMs: number; clock: Clock }) {
    this.#read = options.read;
    this.#maxAgeMs = options.maxAgeMs;
    this.#clock = options.clock;
  }

  /** Rejects when the reading fails; a failure is not kept. */
  async get(): Promise<T> {
    const known = this.#known;
    if (known && this.#clock.monotonic() - known.readAt < this.#maxAgeMs) return known.value;
    this.#reading ??= this.#refresh().finally(() => (this.#reading = undefined));
    return this.#reading;
  }

  async #refresh(): Promise<T> {
    const value = await this.#read();
    this.#known = { value, readAt: this.#clock.monotonic() };
    return value;
  }
}
