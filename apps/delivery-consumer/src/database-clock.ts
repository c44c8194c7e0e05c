// PostgreSQL's time on this process's monotonic clock: a wall clock that jumps moves no lease, due time or expiry.
import type { Clock } from '#clock';

export class DatabaseClock {
  readonly #clock: Clock;
  #offsetMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes a reading of the server's clock that was asked for at monotonic `askedAt` and has just arrived. */
  set(databaseNow: number, askedAt: number): void {
    this.#offsetMs = databaseNow - (askedAt + this.#clock.monotonic()) / 2;
  }

  /** Database ms since 1970. Throws before the first reading: nothing may be timed by a guess. */
  now(): number {
    return this.toDatabase(this.#clock.monotonic());
  }

  toDatabase(monotonic: number): number {
    if (this.#offsetMs === null) throw new Error('the database clock has not been read yet');
    return monotonic + this.#offsetMs;
  }

  toMonotonic(databaseMs: number): number {
    if (this.#offsetMs === null) throw new Error('the database clock has not been read yet');
    return databaseMs - this.#offsetMs;
  }
}
