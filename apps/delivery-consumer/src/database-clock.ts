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
   * replace a better one: on a busy machine due times would jump by half of each round trip, and retries come early. Clocks tremble,
   * so the two may contradict each other by little: then the better one moves by that little. By more: it is another server, or its
   * clock was set.
   */
  set(databaseNow: number, askedAt: number): void {
    const takenAt = this.#clock.monotonic();
    const uncertainMs = (takenAt - askedAt) / 2;
    const offsetMs = databaseNow - (askedAt + takenAt) / 2;
    const kept = this.#reading;
    const keptUncertainMs = kept === null ? Infinity : uncertaintyOf(kept, takenAt);
    const awayMs = offsetMs - (kept?.offsetMs ?? offsetMs);
    const contradictedMs = Math.max(0, Math.abs(awayMs) - uncertainMs - keptUncertainMs);
    if (kept === null || uncertainMs <= keptUncertainMs || contradictedMs > uncertainMs) {
      this.#reading = { offsetMs, uncertainMs, takenAt };
    } else if (contradictedMs > 0) {
      this.#reading = {
        offsetMs: kept.offsetMs + Math.sign(awayMs) * contradictedMs,
        uncertainMs: keptUncertainMs + contradictedMs,
        takenAt,
      };
    }
  }

  /** Database ms since 1970. Throws before the first reading: nothing may be timed by a guess. */
  now(): number {
    return this.toDatabase(this.#clock.monotonic());
  }

  /** The latest that it may be: a due time that is counted from here is never early, however much better the next reading is. */
  latest(): number {
    const monotonic = this.#clock.monotonic();
    return this.toDatabase(monotonic) + (this.#reading === null ? 0 : uncertaintyOf(this.#reading, monotonic));
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

const uncertaintyOf = ({ uncertainMs, takenAt }: Reading, at: number): number => uncertainMs + (at - takenAt) * DRIFT;
