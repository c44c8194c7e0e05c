// The relay's main path: read the next page of each held shard's window, publish it, store the progress.
import type { Clock } from '#clock';
import { failpoint } from '#failpoint';
import { advance, type HeldShard, type OutboxRow, type Page } from '#outbox';
import type { Logger } from '#telemetry';
import type { LoopResult } from '#worker';
import type { RelayMetrics } from './metrics.ts';
import { Pace, type PaceOptions } from './pace.ts';
import type { Session, SessionSource } from './session.ts';

export interface RelayOptions extends PaceOptions {
  /** Random per process start. */
  holder: string;
  leaseMs: number;
  /** Rows a shard and pass, at most. */
  pageSize: number;
}

export type Publish = (rows: readonly OutboxRow[]) => Promise<void>;

export interface RelayPorts {
  sessions: SessionSource;
  clock: Clock;
  logger: Logger;
  metrics: RelayMetrics;
}

/**
 * What it knows of windows is valid only on the connection it was read on: after a crash the server may give out again
 * ids and transaction ids that this process has seen. So a fault ends the session, and the next one starts from what
 * is stored.
 */
export class Relay {
  readonly #options: RelayOptions;
  readonly #ports: RelayPorts;
  readonly #pace: Pace;
  #session: Session | undefined;
  #shards: HeldShard[] = [];
  /**
   * An id below those of all transactions to come: the sequence as read before our latest committed write. A snapshot's
   * xmax is the last *completed* transaction id plus one, so a transaction at or above it may have begun, and drawn ids,
   * before the snapshot; it can't have begun before a transaction of ours that had already committed.
   */
  #floorId = 0;
  #claimAt = 0;
  #storeAt = 0;
  #publish: Publish = () => Promise.reject(new Error('the relay was not told how to publish'));

  constructor(options: RelayOptions, ports: RelayPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#pace = new Pace(options);
  }

  /** Before the first pass: how rows become acknowledged records. */
  publishWith(publish: Publish): void {
    this.#publish = publish;
  }

  get heldShards(): readonly number[] {
    return this.#shards.map((shard) => shard.shard);
  }

  /** One pass. Throws on any fault of PostgreSQL or Kafka, having given up its session. */
  async runOnce(): Promise<LoopResult> {
    try {
      this.#session ??= await this.#ports.sessions.open();
      if (this.#ports.clock.monotonic() >= this.#claimAt) await this.#balanceShards(this.#session);
      const rows = await this.#pass(this.#session);
      return { nextInMs: this.#pace.after({ rows, isCut: this.#shards.some(({ target }) => target !== null) }) };
    } catch (error) {
      this.#endSession();
      throw error;
    }
  }

  async #pass(session: Session): Promise<number> {
    if (this.#shards.length === 0) return 0;
    const startedAt = this.#ports.clock.monotonic();
    const page = await session.readPage(this.#shards, this.#options.pageSize);
    if (page.rows.length > 0) {
      await failpoint('relay.after_read');
      await this.#publish(page.rows);
      await failpoint('relay.after_produce_before_store');
    }
    await this.#store(session, page);
    if (page.rows.length > 0) this.#report(page, startedAt);
    return page.rows.length;
  }

  /** An idle pass moves on in memory alone, but for one store every third of a lease, which renews it. */
  async #store(session: Session, page: Page): Promise<void> {
    const rowsOf = Map.groupBy(page.rows, (row) => row.shard);
    this.#shards = this.#shards.map((shard) => ({
      ...advance(shard, page, rowsOf.get(shard.shard) ?? [], this.#options.pageSize, this.#floorId),
      epoch: shard.epoch,
    }));
    const now = this.#ports.clock.monotonic();
    if (page.rows.length === 0 && now < this.#storeAt) return;
    const kept = await session.storeProgress(this.#options.holder, this.#options.leaseMs, this.#shards);
    this.#storeAt = now + this.#options.leaseMs / 3;
    if (kept.size > 0) this.#floorId = page.lastDrawnId;
    this.#keepOnly(kept);
  }

  #keepOnly(kept: ReadonlySet<number>): void {
    const lost = this.heldShards.filter((shard) => !kept.has(shard));
    if (lost.length === 0) return;
    this.#ports.logger.warn({ shards: lost }, 'shards were taken over by another relay');
    this.#shards = this.#shards.filter((shard) => kept.has(shard.shard));
  }

  /** Each living relay holds its even share: free shards are claimed, surplus ones given back. */
  async #balanceShards(session: Session): Promise<void> {
    const { holder, leaseMs } = this.#options;
    const alive = await session.reportAlive(holder, leaseMs);
    const share = Math.ceil((await session.countShards()) / alive);
    const surplus = this.heldShards.slice(share);
    if (surplus.length > 0) {
      await session.releaseShards(holder, surplus);
      this.#shards = this.#shards.slice(0, share);
    }
    const claimed = await session.claimShards(holder, leaseMs, share - this.#shards.length, this.heldShards);
    this.#shards = [...this.#shards, ...claimed];
    if (claimed.length + surplus.length > 0) {
      this.#ports.logger.info({ shards: this.heldShards, relays: alive }, 'holds shards');
    }
    this.#ports.metrics.shardsHeld.set(this.#shards.length);
    this.#claimAt = this.#ports.clock.monotonic() + leaseMs / 3;
  }

  #report(page: Page, startedAt: number): void {
    const { metrics, logger, clock } = this.#ports;
    metrics.published.inc(page.rows.length);
    logger.debug({ rows: page.rows.length, durationMs: Math.round(clock.monotonic() - startedAt) }, 'pass');
  }

  #endSession(): void {
    this.#session?.close();
    this.#session = undefined;
    this.#shards = [];
    this.#floorId = 0;
    this.#claimAt = 0;
  }

  /** Gives its shards back, so that another relay takes them at once. Call when no pass is running. */
  async stop(): Promise<void> {
    if (!this.#session) return;
    try {
      await failpoint('relay.before_release');
      await this.#session.releaseShards(this.#options.holder, this.heldShards);
      await this.#session.reportGone(this.#options.holder);
    } catch (error) {
      this.#ports.logger.warn({ error }, 'could not give the shards back; their lease runs out by itself');
    }
    this.#endSession();
  }
}
