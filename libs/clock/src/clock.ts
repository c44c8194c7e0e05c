// The time of day, a time that never jumps, and timers, behind one small interface.
import { performance } from 'node:perf_hooks';

export interface Clock {
  /** Wall-clock milliseconds since 1970, possibly with a fraction. May jump in both directions: for records, never for durations. */
  now(): number;
  /** Milliseconds since an arbitrary start, never going back: for deadlines, leases and durations. */
  monotonic(): number;
  /**
   * Calls `run` once, `delayMs` from now (0 or less: as soon as possible, never at once).
   * Returns a cancel function; cancelling twice or after the call does nothing. Timers keep the process alive.
   */
  schedule(delayMs: number, run: () => void): () => void;
}

// setTimeout takes 32-bit delays and runs at once above that; 24.8 days are long enough for any timer here.
const LONGEST_DELAY_MS = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule: (delayMs, run) => {
    const timer = setTimeout(run, Math.min(delayMs, LONGEST_DELAY_MS));
    return () => clearTimeout(timer);
  },
};
