// Which offset of a partition may be committed: everything below the lowest record that is not done.

/** Records that are not done, and the bytes of their payloads. */
export interface PendingRecords {
  records: number;
  bytes: number;
}

/** A record on the log, and how many of its deliveries are not durable yet. */
export class RecordPosition {
  readonly offset: number;
  readonly #bytes: number;
  readonly #pending: PendingRecords;
  #remaining: number;

  /** Counted in `pending` until it is done. `bytes`: of its payload, what it holds in memory, near enough. */
  constructor(offset: number, deliveries: number, bytes: number, pending: PendingRecords) {
    this.offset = offset;
    this.#bytes = bytes;
    this.#pending = pending;
    this.#remaining = deliveries;
    if (this.isDone) return;
    pending.records++;
    pending.bytes += bytes;
  }

  get isDone(): boolean {
    return this.#remaining === 0;
  }

  /** One of its deliveries is durable. */
  settle(): void {
    this.#remaining--;
    if (!this.isDone) return;
    this.#pending.records--;
    this.#pending.bytes -= this.#bytes;
  }
}

export class OffsetTracker {
  // A queue with a moving head: shift() on a long array copies it.
  #records: RecordPosition[] = [];
  #head = 0;
  #next = -1;
  #done: number | null = null;
  #committable: number | null = null;
  readonly #pending: PendingRecords = { records: 0, bytes: 0 };

  get pending(): Readonly<PendingRecords> {
    return this.#pending;
  }

  /** Records above the committable offset, also those that are done. */
  get uncommitted(): number {
    this.#advance();
    return this.#records.length - this.#head;
  }

  /** The offset after the last one received; 0 before the first. */
  get nextOffset(): number {
    return Math.max(0, this.#next);
  }

  /** A record with as many deliveries, or null when its offset is known: positions fall back after each rejoin. */
  receive(offset: number, deliveries: number, bytes: number): RecordPosition | null {
    if (offset < this.#next) return null;
    this.#next = offset + 1;
    const position = new RecordPosition(offset, deliveries, bytes, this.#pending);
    this.#records.push(position);
    return position;
  }

  /** The offset to commit (last done + 1; log offsets may have gaps), or null when nothing is new since `committed()`. */
  committable(): number | null {
    this.#advance();
    return this.#committable;
  }

  #advance(): void {
    while (this.#head < this.#records.length && this.#records[this.#head]!.isDone) {
      this.#committable = this.#done = this.#records[this.#head]!.offset + 1;
      this.#head++;
    }
    if (this.#head > 1_000 && this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Tells that `offset` was committed. */
  committed(offset: number): void {
    if (this.#committable === offset) this.#committable = null;
  }

  /** A commit may not have counted (a generation that was over, a partition that was elsewhere): the last one is made again. */
  commitAgain(): void {
    this.#committable = this.#done;
  }
}
