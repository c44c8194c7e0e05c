// The event loop of a simulation: what is ready runs to its end before time moves, without turns of the real loop.
import type { FakeClock } from './fake-clock.ts';

/** More rounds of immediates than this at one instant: something waits for itself. */
const MOST_ROUNDS = 100_000;

/**
 * While it is entered, `setImmediate` calls of this process are kept here and run by `settle`. A turn of the real loop costs a
 * system call, and a run of a few virtual seconds takes thousands of them: they were half of a simulation's time. It is also
 * stricter: nothing that is ready is left for a later instant, however long its chain of promises and immediates is.
 */
export class EventLoop {
  readonly #clock: FakeClock;
  readonly #real = globalThis.setImmediate;
  #ready: (() => void)[] = [];

  constructor(clock: FakeClock) {
    this.#clock = clock;
  }

  /** Runs `play` as the only user of this process's immediates. */
  async run<T>(play: () => Promise<T>): Promise<T> {
    const keep = (run: (...args: unknown[]) => void, ...args: unknown[]) => this.#ready.push(() => run(...args));
    globalThis.setImmediate = keep as unknown as typeof setImmediate;
    try {
      return await play();
    } finally {
      globalThis.setImmediate = this.#real;
      for (const run of this.#ready.splice(0)) this.#real(run);
    }
  }

  /** Moves time by `ms`, timer by timer; whatever one sets off ends before the next. `isOver`, asked between them, ends it early. */
  async advance(ms: number, isOver: () => boolean = () => false): Promise<void> {
    const end = this.#clock.monotonic() + ms;
    for (;;) {
      await this.#settle();
      const next = this.#clock.nextTimerInMs();
      if (isOver() || next === null || this.#clock.monotonic() + next > end) break;
      this.#clock.advance(next);
    }
    this.#clock.advance(Math.max(0, end - this.#clock.monotonic()));
  }

  async #settle(): Promise<void> {
    await promisesSettled();
    for (let round = 0; this.#ready.length > 0; round++) {
      if (round > MOST_ROUNDS)
        throw new Error('the process never comes to rest: an immediate sets off the next for ever');
      for (const run of this.#ready.splice(0)) run();
      await promisesSettled();
    }
  }
}

/** Node runs a tick that a promise's handler asked for when no other promise is left to run. */
function promisesSettled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
