// The outbox table's partitions: made ahead, and dropped only when they are old and every shard has published past them.
import {
  ensureTimePartitions,
  listTimePartitions,
  type Pool,
  type Queryable,
  sqlState,
  withTransaction,
} from '#database';

/** Event ids forgotten by one statement: about 100 ms. */
const KEYS_AT_ONCE = 10_000;
/** SQLSTATE lock_not_available. */
const LOCK_TIMEOUT = '55P03';

/** Makes the partitions of the next 30 days. */
export function ensureOutboxPartitions(db: Queryable, nowMs: number): Promise<string[]> {
  return ensureTimePartitions(db, { schema: 'outbox', table: 'event', column: 'enqueued_at', nowMs });
}

/**
 * Drops the partitions whose every row is older than the retention and visible in each shard's stored `prev`, and forgets
 * given event ids of that age. Until then an event can be republished. A partition that somebody is using (a long dump)
 * is left for the next time. Returns the names of those dropped.
 */
export async function dropPublishedPartitions(pool: Pool, retentionDays: number, nowMs: number): Promise<string[]> {
  const before = new Date(nowMs - retentionDays * 86_400_000);
  const dropped: string[] = [];
  for (const { name, to } of await listTimePartitions(pool, 'outbox', 'event')) {
    if (to > before || (await hasPending(pool, name))) continue;
    if (await tryDrop(pool, name)) dropped.push(name);
  }
  await forgetEventKeys(pool, before);
  return dropped;
}

/** False when it is in use, or turns out to hold something that is not published. */
async function tryDrop(pool: Pool, name: string): Promise<boolean> {
  try {
    return await withTransaction(pool, async (client) => {
      // Bounded: a lock that waits queues every publisher and relay behind it.
      await client.query(`SET LOCAL lock_timeout = '200ms'`);
      await client.query('LOCK TABLE ONLY outbox.event IN ACCESS EXCLUSIVE MODE');
      // Again: only now has every transaction that wrote into it ended.
      if (await hasPending(client, name)) return false;
      await client.query(`ALTER TABLE outbox.event DETACH PARTITION outbox.${name}`);
      await client.query(`DROP TABLE outbox.${name}`);
      return true;
    });
  } catch (error) {
    if (sqlState(error) === LOCK_TIMEOUT) return false;
    throw error;
  }
}

/** Whatever lies below a snapshot's xmin is visible in it: the first condition keeps this to a glance at the index. */
async function hasPending(db: Queryable, name: string): Promise<boolean> {
  const { rows } = await db.query<{ pending: boolean }>(
    `SELECT EXISTS (SELECT FROM outbox.shard s JOIN outbox.${name} e ON e.shard = s.shard
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
