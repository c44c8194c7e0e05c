// Which relay publishes which shards: leases with epochs, shared evenly among the relays that are alive.
import { prepared, type Queryable } from '#database';
import type { ShardProgress } from './window.ts';

export type HeldShard = ShardProgress & { epoch: number };

/** Tells the other relays that this one is alive. Returns how many are, this one included. */
export async function reportAlive(db: Queryable, holder: string, leaseMs: number): Promise<number> {
  const { rows } = await prepared<{ alive: number }>(
    db,
    'outbox_report_alive',
    `WITH me AS (
       INSERT INTO outbox.relay (holder, alive_until) VALUES ($1, clock_timestamp() + $2 * interval '1 ms')
       ON CONFLICT (holder) DO UPDATE SET alive_until = excluded.alive_until RETURNING holder),
     gone AS (DELETE FROM outbox.relay WHERE alive_until < clock_timestamp() - interval '1 hour')
     SELECT count(*)::int + 1 AS alive FROM outbox.relay WHERE alive_until > clock_timestamp() AND holder <> $1`,
    [holder, leaseMs],
  );
  return rows[0]!.alive;
}

/** Rows adopted by one statement: well within its timeout. */
const ADOPTED_AT_ONCE = 5_000;

/**
 * After a restore from another server, rows may carry transaction ids that this one has not given out: they would lie in no
 * window but the first page of one. A row that we see and that our snapshot calls invisible is such a row: it gets the id of
 * the bootstrap, which everything sees. The one case in which rows are updated; in parts, and safe to repeat.
 */
async function adoptForeignRows(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ shard: number }>(
    `SELECT s.shard FROM outbox.shard s, pg_control_system() c
      WHERE s.system_identifier IS DISTINCT FROM c.system_identifier::text
         OR pg_snapshot_xmax(s.prev) > pg_snapshot_xmax(pg_current_snapshot())`,
  );
  if (rows.length === 0) return;
  for (let adopted = ADOPTED_AT_ONCE; adopted === ADOPTED_AT_ONCE;) {
    const { rowCount } = await db.query(
      `UPDATE outbox.event SET xid = '3' WHERE (shard, id) IN (
         SELECT e.shard, e.id FROM outbox.event e
          WHERE e.shard = ANY ($1::smallint[]) AND e.xid >= pg_snapshot_xmin(pg_current_snapshot())
            AND NOT pg_visible_in_snapshot(e.xid, pg_current_snapshot()) LIMIT ${ADOPTED_AT_ONCE})`,
      [rows.map((row) => row.shard)],
    );
    adopted = rowCount ?? 0;
  }
}

/**
 * Takes up to `wanted` shards that are free (lease run out, or ours from an earlier session), each with a new epoch. A database with
 * another system identifier, or whose snapshots lie behind the stored one (restored, failed over), is published from the
 * beginning: sequences make the repeats harmless, and what the old database had acknowledged can't be known here.
 */
export async function claimShards(
  db: Queryable,
  holder: string,
  leaseMs: number,
  wanted: number,
  held: readonly number[],
): Promise<HeldShard[]> {
  if (wanted <= 0) return [];
  await adoptForeignRows(db);
  const { rows } = await db.query<RawShard>(
    `UPDATE outbox.shard o SET holder = $1, epoch = o.epoch + 1, lease_until = clock_timestamp() + $2 * interval '1 ms',
              system_identifier = here.id,
              prev = CASE WHEN here.fresh THEN '3:3:'::pg_snapshot ELSE o.prev END,
              floor_id = CASE WHEN here.fresh THEN 0 ELSE o.floor_id END,
              target = CASE WHEN here.fresh THEN NULL ELSE o.target END,
              target_floor_id = CASE WHEN here.fresh THEN NULL ELSE o.target_floor_id END,
              last_id = CASE WHEN here.fresh THEN 0 ELSE o.last_id END
         FROM (SELECT f.shard, c.system_identifier::text AS id,
                      f.system_identifier IS NOT NULL AND (f.system_identifier <> c.system_identifier::text
                        OR pg_snapshot_xmax(f.prev) > pg_snapshot_xmax(pg_current_snapshot())) AS fresh
                 FROM outbox.shard f, pg_control_system() c
                WHERE (f.lease_until < clock_timestamp() OR f.holder = $1) AND f.shard <> ALL ($4::smallint[]) ORDER BY f.shard LIMIT $3 FOR UPDATE OF f SKIP LOCKED) here
        WHERE o.shard = here.shard
        RETURNING o.shard, o.epoch, o.prev::text, o.floor_id, o.target::text, o.target_floor_id, o.last_id`,
    [holder, leaseMs, wanted, held],
  );
  return rows.map((row) => ({
    shard: row.shard,
    epoch: row.epoch,
    prev: row.prev,
    floorId: row.floor_id,
    target: row.target,
    targetFloorId: row.target_floor_id,
    lastId: row.last_id,
  }));
}

interface RawShard {
  shard: number;
  epoch: number;
  prev: string;
  floor_id: number;
  target: string | null;
  target_floor_id: number | null;
  last_id: number;
}

/** Gives shards back, so that another relay need not wait for the lease to run out. */
export async function releaseShards(db: Queryable, holder: string, shards: readonly number[]): Promise<void> {
  await db.query(
    `UPDATE outbox.shard SET holder = NULL, lease_until = '-infinity' WHERE holder = $1 AND shard = ANY ($2::smallint[])`,
    [holder, shards],
  );
}

/** Tells the others that this relay has gone. */
export async function reportGone(db: Queryable, holder: string): Promise<void> {
  await db.query('DELETE FROM outbox.relay WHERE holder = $1', [holder]);
}

export async function countShards(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ count: number }>('SELECT count(*)::int AS count FROM outbox.shard');
  return rows[0]!.count;
}
