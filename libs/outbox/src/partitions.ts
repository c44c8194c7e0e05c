// The outbox table's partitions: made ahead, and dropped only when they are old and every shard has published past them.
import { dropTimePartitions, ensureTimePartitions, type Pool, type Queryable } from '#database';
import { forgetRepublishRequests } from './republish.ts';

/** Event ids forgotten by one statement: about 100 ms. */
const KEYS_AT_ONCE = 10_000;

/** Makes the partitions of the next 30 days. */
export function ensureOutboxPartitions(db: Queryable, nowMs: number): Promise<string[]> {
  return ensureTimePartitions(db, { schema: 'outbox', table: 'event', column: 'enqueued_at', nowMs });
}

/**
 * Drops the partitions whose every row is older than the retention and visible in each shard's stored `prev`, and forgets
 * given event ids and answered requests of that age. Until then an event can be republished. Returns the names of those dropped.
 */
export async function dropPublishedPartitions(pool: Pool, retentionDays: number, nowMs: number): Promise<string[]> {
  const before = new Date(nowMs - retentionDays * 86_400_000);
  const dropped = await dropTimePartitions(pool, { schema: 'outbox', table: 'event', before, isPending });
  await forgetEventKeys(pool, before);
  await forgetRepublishRequests(pool, before);
  return dropped;
}

/** Whatever lies below a snapshot's xmin is visible in it: the first condition keeps this to a glance at the index. */
async function isPending(db: Queryable, partition: string): Promise<boolean> {
  const { rows } = await db.query<{ pending: boolean }>(
    `SELECT EXISTS (SELECT FROM outbox.shard s JOIN ${partition} e ON e.shard = s.shard
                     WHERE e.xid >= pg_snapshot_xmin(s.prev) AND NOT pg_visible_in_snapshot(e.xid, s.prev)) AS pending`,
  );
  return rows[0]!.pending;
}

async function forgetEventKeys(pool: Pool, before: Date): Promise<void> {
  for (let forgotten = KEYS_AT_ONCE; forgotten === KEYS_AT_ONCE;) {
    const { rowCount } = await pool.query(
      `DELETE FROM outbox.event_key
        WHERE ctid = ANY (ARRAY(SELECT ctid FROM outbox.event_key WHERE created_at < $1 LIMIT ${KEYS_AT_ONCE}))`,
      [before],
    );
    forgotten = rowCount ?? 0;
  }
}
