// PostgreSQL's time on this process's monotonic clock: a wall clock that jumps moves no lease, due time or expiry.
import type { Clock } from '#clock';

/** How far two good clocks drift apart: 0.2 ms in a second is more than any computer's quartz is off. */
const DRIFT = 0.0002;

/** What one answer of the server says: its time minus ours, right to within half of the round trip. */
interface Reading {
  offsetMs: number;
  uncertainMs: number;
  takenAt: number;
}

export class DatabaseClock {
  readonly #clock: Clock;
  #reading: Reading | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Takes a reading of the server's clock that was asked for at monotonic `askedAt` and has just arrived. A slow answer does not
   * replace a better one that it agrees with: on a busy machine due times would jump by half of each round trip, and retries come early.
   */
  set(databaseNow: number, askedAt: number): void {
    const takenAt = this.#clock.monotonic();
    const uncertainMs = (takenAt - askedAt) / 2;
    const offsetMs = databaseNow - (askedAt + takenAt) / 2;
    const kept = this.#reading;
    if (kept !== null) {
      const keptUncertainMs = kept.uncertainMs + (takenAt - kept.takenAt) * DRIFT;
      // Where they contradict each other it is another server, or its clock was set.
      const agree = Math.abs(offsetMs - kept.offsetMs) <= uncertainMs + keptUncertainMs;
      if (agree && keptUncertainMs < uncertainMs) return;
    }
    this.#reading = { offsetMs, uncertainMs, takenAt };
  }

  /** Database ms since 1970. Throws before the first reading: nothing may be timed by a guess. */
  now(): number {
    return this.toDatabase(this.#clock.monotonic());
  }

  toDatabase(monotonic: number): number {
    return monotonic + this.#offsetMs;
  }

  toMonotonic(databaseMs: number): number {
    return databaseMs - this.#offsetMs;
  }

  get #offsetMs(): number {
    if (this.#reading === null) throw new Error('the database clock has not been read yet');
    return this.#reading.offsetMs;
  }
}
