// How long the relay waits between two passes: not at all, a moment, or longer the more it found.

export interface PaceOptions {
  /** Until the next pass after one that found rows, at least; also the first wait after one that found none. */
  busyIntervalMs: number;
  /** The longest wait when idle; it doubles from one idle pass to the next. */
  idleIntervalMs: number;
}

export interface PassResult {
  rows: number;
  /** A window was cut: the rest of it is there to be read. */
  isCut: boolean;
}

// A pass costs 3 ms of processor time before its first row (1.1 in Kafka, 1.1 here, 0.8 in PostgreSQL) and 0.03 ms a row:
// 200 µs an event in passes of 16, 35 in passes of 400. What was just published keeps a consumer busy for longer than this
// wait, and meanwhile the next rows gather. Below 2,000 events/s the wait is the shortest one or near it, and no rate is held
// back: the more gathers, the larger the pass, and a window that does not fit goes on at once.
const MS_PER_ROW = 0.15;
const LONGEST_BUSY_MS = 80;

export class Pace {
  readonly #options: PaceOptions;
  #idleMs: number;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#idleMs = options.busyIntervalMs;
  }

  /** Milliseconds until the next pass. */
  after({ rows, isCut }: PassResult): number {
    const { busyIntervalMs, idleIntervalMs } = this.#options;
    this.#idleMs = rows > 0 ? busyIntervalMs : Math.min(this.#idleMs * 2, idleIntervalMs);
    if (isCut) return 0;
    return Math.max(this.#idleMs, Math.min(rows * MS_PER_ROW, LONGEST_BUSY_MS));
  }
}
