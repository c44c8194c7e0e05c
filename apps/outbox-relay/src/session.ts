// What the relay needs of the outbox database: a session, whose knowledge of windows ends with its connection.
import type { Pool } from '#database';
import {
  claimShards,
  countShards,
  type HeldShard,
  type Page,
  readPage,
  releaseShards,
  reportAlive,
  reportGone,
  type ShardProgress,
  storeProgress,
} from '#outbox';

/** Every call is one transaction and may throw a fault of PostgreSQL; after one the session is worth nothing. */
export interface Session {
  readPage(shards: readonly ShardProgress[], limit: number): Promise<Page>;
  /** Returns the shards that are still ours. */
  storeProgress(holder: string, leaseMs: number, shards: readonly HeldShard[]): Promise<Set<number>>;
  reportAlive(holder: string, leaseMs: number): Promise<number>;
  reportGone(holder: string): Promise<void>;
  countShards(): Promise<number>;
  claimShards(holder: string, leaseMs: number, wanted: number, held: readonly number[]): Promise<HeldShard[]>;
  releaseShards(holder: string, shards: readonly number[]): Promise<void>;
  close(): void;
}

export interface SessionSource {
  open(): Promise<Session>;
}

/** Takes a connection out of `pool` and closes it for good at the end, so that a session never outlives its connection. */
export function sessionsOf(pool: Pool): SessionSource {
  return {
    async open() {
      const client = await pool.connect();
      // The next statement on a broken connection fails by itself; unheard, the event would end the process.
      client.on('error', () => undefined);
      return {
        readPage: (shards, limit) => readPage(client, shards, limit),
        storeProgress: (holder, leaseMs, shards) => storeProgress(client, holder, leaseMs, shards),
        reportAlive: (holder, leaseMs) => reportAlive(client, holder, leaseMs),
        reportGone: (holder) => reportGone(client, holder),
        countShards: () => countShards(client),
        claimShards: (holder, leaseMs, wanted, held) => claimShards(client, holder, leaseMs, wanted, held),
        releaseShards: (holder, shards) => releaseShards(client, holder, shards),
        close: () => client.release(true),
      };
    },
  };
}
