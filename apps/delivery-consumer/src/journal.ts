// What happened and is not in PostgreSQL yet. One transaction at a time writes all of it; then its consequences follow.
import type { AttemptRow, Batch, CommandResult, CommitResult, TerminalState, Waiting, WaitingState } from '#deliveries';
import type { Delivery, Lane } from '#lane';

type AfterCommit = { partition: number; run: () => void };

/** A batch that was cut off for a transaction, with what is to be done when it is committed. */
export interface Cut {
  batch: Batch;
  lanes: Lane[];
  afterCommit: AfterCommit[];
  /** Monotonic ms of the oldest finished delivery in it, or Infinity. */
  oldestFinishAt: number;
}

export class Journal {
  readonly #now: () => number;
  readonly #databaseNow: () => number;
  #pending = emptyCut();
  #updated = new Map<Delivery, Waiting>();
  #dirty = new Set<Lane>();
  #writing: Cut | null = null;

  constructor(now: () => number, databaseNow: () => number) {
    this.#now = now;
    this.#databaseNow = databaseNow;
  }

  /** Writes a delivery to waybill.delivery; its records are done when that is committed. */
  insert(partition: number, delivery: Delivery, state: WaitingState, nextAttemptAt: number | null = null): void {
    delivery.stored = true;
    this.#pending.batch.inserted.push({ partition, delivery, state, nextAttemptAt });
  }

  update(partition: number, delivery: Delivery, state: WaitingState, nextAttemptAt: number | null = null): void {
    // One row a delivery and statement: the later one says it all.
    this.#updated.set(delivery, { partition, delivery, state, nextAttemptAt });
  }

  /** The delivery is terminal; its records are done when that is committed. */
  finish(partition: number, delivery: Delivery, state: TerminalState, reason: string | null = null): void {
    this.#pending.batch.finished.push({ partition, delivery, state, reason, finishedAt: this.#databaseNow() });
    this.#pending.oldestFinishAt = Math.min(this.#pending.oldestFinishAt, this.#now());
  }

  attempt(row: AttemptRow): void {
    this.#pending.batch.attempts.push(row);
  }

  command(result: CommandResult): void {
    this.#pending.batch.commands.push(result);
  }

  /** The lane's row is to be written as it will stand when the next batch is cut (an unordered delivery has none). */
  save(lane: Lane): void {
    if (this.#dirty.has(lane)) return;
    this.#dirty.add(lane);
    lane.unsaved++;
  }

  /** Runs `run` when all that was said so far is committed, unless the partition is lost by then. */
  afterCommit(partition: number, run: () => void): void {
    this.#pending.afterCommit.push({ partition, run });
  }

  get isEmpty(): boolean {
    return this.#writing === null && this.#isPendingEmpty;
  }

  /** Age in ms of the oldest finished delivery that is not committed (rule R5), 0 when there is none. */
  oldestFinishAgeMs(now: number): number {
    const at = Math.min(this.#pending.oldestFinishAt, this.#writing?.oldestFinishAt ?? Infinity);
    return at === Infinity ? 0 : now - at;
  }

  /** True when something of the partition is not committed yet. */
  concerns(partition: number): boolean {
    const lanes = [...this.#dirty, ...(this.#writing?.lanes ?? [])];
    const waiting = [...this.#pending.afterCommit, ...(this.#writing?.afterCommit ?? [])];
    return [...lanes, ...waiting].some((one) => one.partition === partition);
  }

  /** The next batch to write: the one that failed before, or all that has gathered since. */
  cut(): Cut {
    if (this.#writing) return this.#writing;
    const cut = this.#pending;
    cut.batch.updated = [...this.#updated.values()];
    cut.lanes = [...this.#dirty];
    cut.batch.lanes = cut.lanes.filter((lane) => lane.unorderedEventId === null).map((lane) => lane.snapshot());
    this.#pending = emptyCut();
    this.#updated = new Map();
    this.#dirty = new Set();
    return (this.#writing = cut);
  }

  /** The cut is committed: what waited for it happens, for the partitions that were still ours. */
  committed(cut: Cut, result: CommitResult): void {
    this.#writing = null;
    for (const lane of cut.lanes) lane.unsaved--;
    for (const rows of [cut.batch.inserted, cut.batch.finished]) {
      for (const { partition, delivery } of rows) if (result.owned.has(partition)) finishPositions(delivery);
    }
    for (const { partition, run } of cut.afterCommit) if (result.owned.has(partition)) run();
  }

  /** The partition was lost: what was to be written of it must not be written under a later epoch. */
  forget(partition: number): void {
    const { batch } = this.#pending;
    const others = <T extends { partition: number }>(rows: T[]) => rows.filter((row) => row.partition !== partition);
    batch.inserted = others(batch.inserted);
    batch.finished = others(batch.finished);
    batch.attempts = others(batch.attempts);
    batch.commands = others(batch.commands);
    this.#pending.afterCommit = others(this.#pending.afterCommit);
    for (const row of this.#updated.values()) if (row.partition === partition) this.#updated.delete(row.delivery);
    for (const lane of this.#dirty) if (lane.partition === partition) this.#dirty.delete(lane);
  }

  get #isPendingEmpty(): boolean {
    const { batch, afterCommit } = this.#pending;
    return (
      this.#dirty.size === 0 &&
      afterCommit.length === 0 &&
      this.#updated.size + batch.inserted.length + batch.finished.length === 0 &&
      batch.attempts.length + batch.commands.length === 0
    );
  }
}

function emptyCut(): Cut {
  return {
    batch: { inserted: [], updated: [], finished: [], attempts: [], lanes: [], commands: [] },
    lanes: [],
    afterCommit: [],
    oldestFinishAt: Infinity,
  };
}

function finishPositions(delivery: Delivery): void {
  for (const position of delivery.positions) position.settle();
  delivery.positions.length = 0;
}
