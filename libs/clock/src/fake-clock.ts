// A clock that stands still until a test moves it; due timers run in the order of their instants.
import type { Clock } from './clock.ts';

interface Timer {
  dueAt: number;
  order: number;
  run: () => void;
}

export class FakeClock implements Clock {
  #startAt: number;
  #elapsedMs = 0;
  #order = 0;
  #timers: Timer[] = [];

  constructor(startAt = Date.UTC(2026, 0, 1)) {
    this.#startAt = startAt;
  }

  now(): number {
    return this.#startAt + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  schedule(delayMs: number, run: () => void): () => void {
    const timer: Timer = { dueAt: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, run };
    // Kept sorted by a binary search: simulations hold many thousands of timers.
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timers[middle]!.dueAt <= timer.dueAt) low = middle + 1;
      else high = middle;
    }
    this.#timers.splice(low, 0, timer);
    return () => {
      const index = this.#timers.indexOf(timer);
      if (index >= 0) this.#timers.splice(index, 1);
    };
  }

  /** Timers that have neither run nor been cancelled. */
  get pending(): number {
    return this.#timers.length;
  }

  /** Milliseconds until the next timer is due, or null when there is none. */
  nextTimerInMs(): number | null {
    const next = this.#timers[0];
    return next === undefined ? null : Math.max(0, next.dueAt - this.#elapsedMs);
  }

  /** Moves time by `ms`; runs every timer that falls due on the way, also those that such timers set. */
  advance(ms: number): void {
    const end = this.#elapsedMs + ms;
    for (let next = this.#timers[0]; next !== undefined && next.dueAt <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueAt);
      next.run();
    }
    this.#elapsedMs = end;
  }

  /** `advance`, with room for promises to settle after each timer. */
  async advanceAsync(ms: number): Promise<void> {
    const end = this.#elapsedMs + ms;
    await settle();
    for (let next = this.#timers[0]; next !== undefined && next.dueAt <= end; next = this.#timers[0]) {
      this.#timers.shift();
      this.#elapsedMs = Math.max(this.#elapsedMs, next.dueAt);
      next.run();
      await settle();
    }
    this.#elapsedMs = end;
  }

  /** Moves the wall clock only, as an operator or NTP would: monotonic time and timers do not notice. */
  jumpWallClock(ms: number): void {
    this.#startAt += ms;
  }
}

function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
