// The outbox table's partitions: made ahead, and dropped only when they are old and every shard has published past them.
import { dropTimePartitions, ensureTimePartitions, type Pool, type Queryable } from '#database';

/** Makes the partitions of the next 30 days. */
export function ensureOutboxPartitions(db: Queryable, nowMs: number): Promise<string[]> {
  return ensureTimePartitions(db, { schema: 'outbox', table: 'event', column: 'enqueued_at', nowMs });
}

/**
 * Drops the partitions whose every row is older than the retention and visible in each shard's stored `prev`, and forgets
 * given event ids of that age. Until then an event can be republished. Returns the names of those dropped.
 */
export async function dropPublishedPartitions(pool: Pool, retentionDays: number, nowMs: number): Promise<string[]> {
  const before = new Date(nowMs - retentionDays * 86_400_000);
  const dropped = await dropTimePartitions(pool, { schema: 'outbox', table: 'event', before, isPending });
  await pool.query('DELETE FROM outbox.event_key WHERE created_at < $1', [before]);
  return dropped;
}

async function isPending(db: Queryable, partition: string): Promise<boolean> {
  const { rows } = await db.query<{ pending: boolean }>(
    `SELECT EXISTS (SELECT FROM ${partition} e JOIN outbox.shard s ON s.shard = e.shard
                     WHERE NOT pg_visible_in_snapshot(e.xid, s.prev)) AS pending`,
  );
  return rows[0]!.pending;
}
