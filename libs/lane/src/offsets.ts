// Which offset of a partition may be committed: everything below the lowest record that is not done.

/** A record on the log and how many of its deliveries are not durable yet. */
export interface RecordPosition {
  readonly offset: number;
  /** Of its payload: what it holds in memory, near enough. */
  readonly bytes: number;
  remaining: number;
}

export class OffsetTracker {
  // A queue with a moving head: shift() on a long array copies it.
  #records: RecordPosition[] = [];
  #head = 0;
  #next = -1;
  #done: number | null = null;
  #committable: number | null = null;
  #pendingBytes = 0;

  /** The offset after the last one received; 0 before the first. */
  get nextOffset(): number {
    return Math.max(0, this.#next);
  }

  /** Records received and not below the committable offset, and their bytes. */
  get pending(): { records: number; bytes: number } {
    this.#advance();
    return { records: this.#records.length - this.#head, bytes: this.#pendingBytes };
  }

  /** A record with `remaining` deliveries, or null when its offset is known: positions fall back after each rejoin. */
  receive(offset: number, remaining: number, bytes: number): RecordPosition | null {
    if (offset < this.#next) return null;
    this.#next = offset + 1;
    const position = { offset, remaining, bytes };
    this.#records.push(position);
    this.#pendingBytes += bytes;
    return position;
  }

  /** The offset to commit (last done + 1; log offsets may have gaps), or null when nothing is new since `committed()`. */
  committable(): number | null {
    this.#advance();
    return this.#committable;
  }

  #advance(): void {
    while (this.#head < this.#records.length && this.#records[this.#head]!.remaining === 0) {
      this.#committable = this.#done = this.#records[this.#head]!.offset + 1;
      this.#pendingBytes -= this.#records[this.#head]!.bytes;
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
