// Which offset of a partition may be committed: everything below the lowest record that is not done.

/** A record on the log and how many of its deliveries are not durable yet. */
export interface RecordPosition {
  readonly offset: number;
  remaining: number;
}

export class OffsetTracker {
  // A queue with a moving head: shift() on a long array copies it.
  #records: RecordPosition[] = [];
  #head = 0;
  #next = -1;
  #committable: number | null = null;

  /** Records received and not below the committable offset. */
  get pending(): number {
    return this.#records.length - this.#head;
  }

  /** A record with `remaining` deliveries, or null when its offset is known: positions fall back after each rejoin. */
  receive(offset: number, remaining: number): RecordPosition | null {
    if (offset < this.#next) return null;
    this.#next = offset + 1;
    const position = { offset, remaining };
    this.#records.push(position);
    return position;
  }

  /** The offset to commit (last done + 1; log offsets may have gaps), or null when nothing is new since `committed()`. */
  committable(): number | null {
    while (this.#head < this.#records.length && this.#records[this.#head]!.remaining === 0) {
      this.#committable = this.#records[this.#head]!.offset + 1;
      this.#head++;
    }
    if (this.#head > 1_000 && this.#head * 2 > this.#records.length) {
      this.#records = this.#records.slice(this.#head);
      this.#head = 0;
    }
    return this.#committable;
  }

  /** Tells that `offset` was committed. */
  committed(offset: number): void {
    if (this.#committable === offset) this.#committable = null;
  }
}
