// The outbox database in memory: transaction ids, snapshots, locks and crashes as PostgreSQL has them, as far as windows depend on them.
import type { Clock, Dice } from '#clock';
import type { HeldShard, OutboxRow } from '#outbox';

/** A call on a connection that broke, or a transaction that the server ended. */
export class ConnectionLost extends Error {
  readonly code = 'ECONNRESET';
  readonly retryable = true;
}

export interface StoredRow extends OutboxRow {
  xid: number;
  isCommitted: boolean;
}

/** A row of outbox.shard. */
export type ShardRow = HeldShard & { holder: string | null; leaseUntil: number; systemIdentifier: string | null };

export interface NewEvent {
  eventId: string;
  streamId: string;
  type: string;
  isUnordered?: boolean;
  /** In any order; the route table says who wants an event. */
  endpoints: readonly string[];
  payload: string;
}

/** The bootstrap's transaction id: everything sees it. */
export const BOOTSTRAP_XID = 3;

/** PostgreSQL's text form of a snapshot, `xmin:xmax:xip,...`. */
export class Snapshot {
  readonly xmin: number;
  readonly xmax: number;
  readonly running: readonly number[];

  constructor(text: string) {
    const [xmin, xmax, running] = text.split(':');
    this.xmin = Number(xmin);
    this.xmax = Number(xmax);
    this.running = running ? running.split(',').map(Number) : [];
  }

  sees(xid: number): boolean {
    return xid < this.xmin || (xid < this.xmax && !this.running.includes(xid));
  }
}

export class MemoryOutbox {
  readonly clock: Clock;
  readonly shards: ShardRow[];
  readonly relays = new Map<string, number>();
  /** By shard, by id. */
  readonly rows: StoredRow[][];
  systemIdentifier = 'server-1';
  /** A restart ends all sessions of the generation before. */
  generation = 0;
  /** What the id sequence has given out. */
  lastId = 0;
  readonly sequences = new Map<string, number>();
  readonly locks = new Map<string, { holder: MemoryTransaction; waiting: (() => void)[] }>();
  readonly #dice: Dice;
  readonly #open = new Set<MemoryTransaction>();
  readonly #running = new Set<number>();
  #nextXid = 700;
  #latestCompleted = 699;
  /** What the last flush of the log covers: a crash may give out the rest again. */
  #flushed = { nextXid: 700, lastId: 0 };

  constructor(options: { clock: Clock; dice: Dice; shards: number }) {
    this.clock = options.clock;
    this.#dice = options.dice;
    this.rows = Array.from({ length: options.shards }, () => []);
    this.shards = this.rows.map((_, shard) => ({
      ...beginning,
      shard,
      epoch: 0,
      holder: null,
      leaseUntil: -Infinity,
      systemIdentifier: null,
    }));
  }

  shardOf(streamId: string): number {
    let hash = 0;
    for (const letter of streamId) hash = (hash * 31 + letter.codePointAt(0)!) % 65_521;
    return hash % this.rows.length;
  }

  begin(): MemoryTransaction {
    const transaction = new MemoryTransaction(this);
    this.#open.add(transaction);
    return transaction;
  }

  /** xmax is the last *completed* id plus one: a running transaction may be at or above it, and then is not listed. */
  snapshot(): string {
    const xmax = this.#latestCompleted + 1;
    const running = [...this.#running].filter((xid) => xid < xmax).toSorted((a, b) => a - b);
    return `${running[0] ?? xmax}:${xmax}:${running.join(',')}`;
  }

  assignXid(): number {
    this.#running.add(this.#nextXid);
    return this.#nextXid++;
  }

  /** The end of a transaction that has an id. A commit flushes the log up to itself. */
  complete(xid: number, isCommit: boolean): void {
    this.#running.delete(xid);
    this.#latestCompleted = Math.max(this.#latestCompleted, xid);
    if (isCommit) this.#flushed = { nextXid: Math.max(this.#flushed.nextXid, xid + 1), lastId: this.lastId };
  }

  ended(transaction: MemoryTransaction): void {
    this.#open.delete(transaction);
  }

  /** One statement that writes, as its own transaction. */
  write(): void {
    this.complete(this.assignXid(), true);
  }

  /**
   * The server dies and is back at once: what was open is gone, connections are broken, ids and transaction ids that no flush covers may
   * be given out again, and the sequence may jump (PostgreSQL logs it 32 values ahead).
   */
  crash(): void {
    for (const transaction of this.#open) transaction.kill();
    this.#nextXid = this.#dice.between(this.#flushed.nextXid, this.#nextXid);
    this.#latestCompleted = this.#nextXid - 1;
    this.lastId = this.#flushed.lastId + this.#dice.between(0, 32);
    this.#flushed = { nextXid: this.#nextXid, lastId: this.lastId };
    this.generation++;
  }

  /** Dumped and restored on another server, which has given out few transaction ids; the rows carry those of the old one. */
  move(): void {
    this.crash();
    this.systemIdentifier = `server-${this.generation + 1}`;
    this.#nextXid = this.#dice.between(700, this.#nextXid);
    this.#latestCompleted = this.#nextXid - 1;
    this.#flushed.nextXid = this.#nextXid;
  }

  expireLeases(): void {
    for (const shard of this.shards) shard.leaseUntil = -Infinity;
    this.relays.clear();
  }
}

/** A shard's progress before the first window. */
export const beginning = { prev: '3:3:', floorId: 0, target: null, targetFloorId: null, lastId: 0 } as const;

/** One transaction of a domain service: `outbox.publish_event`, its locks, and a way back. */
export class MemoryTransaction {
  readonly #outbox: MemoryOutbox;
  readonly #undo: (() => void)[] = [];
  readonly #savepoints: number[] = [];
  #rows: StoredRow[] = [];
  #xid: number | null = null;
  #hasEnded = false;

  constructor(outbox: MemoryOutbox) {
    this.#outbox = outbox;
  }

  drawXid(): number {
    this.#requireOpen();
    return (this.#xid ??= this.#outbox.assignXid());
  }

  /** The order of steps of the SQL function: the stream's lock, the transaction's id, the lanes' sequences, last the event's id. */
  async publish(event: NewEvent): Promise<void> {
    this.#requireOpen();
    if (!event.isUnordered) await this.#lock(event.streamId);
    const xid = this.drawXid();
    const targets = event.endpoints.toSorted().map((endpoint) => [endpoint, this.#nextSequence(event, endpoint)]);
    const shard = this.#outbox.shardOf(event.streamId);
    const instant = new Date(this.#outbox.clock.now()).toISOString();
    const row: StoredRow = {
      id: ++this.#outbox.lastId,
      xid,
      isCommitted: false,
      shard,
      fillsPage: false,
      eventId: event.eventId,
      tenantId: 'tenant',
      streamId: event.streamId,
      type: event.type,
      targets: JSON.stringify(targets),
      payload: event.payload,
      traceparent: null,
      occurredAt: instant,
      enqueuedAt: instant.replace('Z', '000Z'),
    };
    const rows = this.#outbox.rows[shard]!;
    rows.push(row);
    this.#rows.push(row);
    this.#undo.push(() => {
      rows.splice(rows.lastIndexOf(row), 1);
      this.#rows = this.#rows.filter((one) => one !== row);
    });
  }

  savepoint(): void {
    this.#requireOpen();
    this.#savepoints.push(this.#undo.length);
  }

  rollBackToSavepoint(): void {
    this.#requireOpen();
    const depth = this.#savepoints.pop();
    if (depth !== undefined) this.#unwind(depth);
  }

  /** The committed rows. */
  commit(): readonly StoredRow[] {
    this.#requireOpen();
    for (const row of this.#rows) row.isCommitted = true;
    this.#end(true);
    return this.#rows;
  }

  rollback(): void {
    this.#requireOpen();
    this.kill();
  }

  /** Ended by the server: rolled back. */
  kill(): void {
    this.#unwind(0);
    this.#end(false);
  }

  #nextSequence({ streamId, isUnordered }: NewEvent, endpoint: string): number | null {
    if (isUnordered) return null;
    const { sequences } = this.#outbox;
    const lane = `${endpoint} ${streamId}`;
    const before = sequences.get(lane) ?? 0;
    sequences.set(lane, before + 1);
    this.#undo.push(() => sequences.set(lane, before));
    return before + 1;
  }

  async #lock(streamId: string): Promise<void> {
    const { locks } = this.#outbox;
    for (let lock = locks.get(streamId); lock && lock.holder !== this; lock = locks.get(streamId)) {
      const { waiting } = lock;
      await new Promise<void>((resolve) => waiting.push(resolve));
      this.#requireOpen();
    }
    if (locks.has(streamId)) return;
    locks.set(streamId, { holder: this, waiting: [] });
    this.#undo.push(() => this.#unlock(streamId));
  }

  #unlock(streamId: string): void {
    const lock = this.#outbox.locks.get(streamId);
    this.#outbox.locks.delete(streamId);
    for (const wake of lock?.waiting ?? []) wake();
  }

  #unwind(depth: number): void {
    for (const undo of this.#undo.splice(depth).toReversed()) undo();
  }

  #end(isCommit: boolean): void {
    this.#hasEnded = true;
    if (this.#xid !== null) this.#outbox.complete(this.#xid, isCommit);
    this.#outbox.ended(this);
    for (const [streamId, { holder }] of this.#outbox.locks) if (holder === this) this.#unlock(streamId);
  }

  #requireOpen(): void {
    if (this.#hasEnded) throw new ConnectionLost('the transaction has ended');
  }
}
