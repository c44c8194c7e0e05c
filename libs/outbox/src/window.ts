// The relay's SQL: snapshot windows over outbox.event, cut by id, and the fenced progress of each shard.
import { prepared, type Queryable } from '#database';
import { iso, type OutboxRow, type RawOutboxRow, toOutboxRow } from './rows.ts';

/**
 * Where a shard's publication stands. A window is (prev, target]: rows whose transaction was not visible in `prev` and is
 * visible in `target`. `target` is null between windows. Snapshots are PostgreSQL's text form (`xmin:xmax:xip,...`).
 */
export interface ShardProgress {
  shard: number;
  prev: string;
  /** Rows of transactions at or above the xmax of `prev` have a greater id: the scan by id begins here. */
  floorId: number;
  target: string | null;
  /** The floor for the window after this one. */
  targetFloorId: number | null;
  /** The last row of the window that was published; 0 at its beginning. */
  lastId: number;
}

export interface Page {
  /** The snapshot of this read: the target of windows that had none. */
  snapshot: string;
  /** The id sequence as read after `snapshot` was taken. */
  lastDrawnId: number;
  rows: OutboxRow[];
}

/** Payload bytes of one shard's page, beyond its first row: four shards fit in a relay's memory many times over. */
const PAGE_BYTES = 4 * 1_048_576;

const columns = `e.id, e.shard, e.event_id, e.tenant_id, e.stream_id, e.event_type, e.targets::text AS targets,
  e.payload::text AS payload, e.payload_bytes, e.traceparent, e.occurred_at, e.enqueued_at`;

// Two arms: rows of transactions at or above prev's xmax, found by id, and rows of those that were in progress in prev below
// it, found by xid; each arm reads its own index in order (the ORDER BY of xid and id keeps the second one on its own). A
// statement sees exactly its own snapshot, so a window that begins here needs no test for its target.
// Never "id > last seen" across windows (a late committer has a lower id), never order by xid (not lane order).
const readSql = `
SELECT pg_current_snapshot()::text AS snapshot, (SELECT last_value - (NOT is_called)::int FROM outbox.event_id) AS last_drawn_id, page.*
FROM (SELECT) one LEFT JOIN LATERAL (
  SELECT p.id, p.shard, p.found, p.event_id, p.tenant_id, p.stream_id, p.event_type, p.targets, p.payload, p.traceparent,
    ${iso('p.occurred_at')} AS occurred_at, ${iso('p.enqueued_at')} AS enqueued_at
  FROM unnest($1::smallint[], $2::pg_snapshot[], $3::bigint[], $4::pg_snapshot[], $5::bigint[])
    AS s(shard, prev, floor_id, target, last_id)
  CROSS JOIN LATERAL (
    SELECT *, count(*) OVER ()::int AS found, sum(payload_bytes) OVER (ORDER BY id) - payload_bytes AS bytes_before
    FROM (SELECT * FROM (
      (SELECT ${columns} FROM outbox.event e
        WHERE e.shard = s.shard AND e.id > greatest(s.floor_id, s.last_id) AND e.xid >= pg_snapshot_xmax(s.prev)
          AND (s.target IS NULL OR pg_visible_in_snapshot(e.xid, s.target))
        ORDER BY e.id LIMIT $6)
      UNION ALL
      (SELECT late.* FROM unnest(ARRAY(SELECT pg_snapshot_xip(s.prev))) AS running(xid)
        CROSS JOIN LATERAL (
          SELECT ${columns} FROM outbox.event e
          WHERE e.shard = s.shard AND e.xid = running.xid AND e.id > s.last_id
            AND (s.target IS NULL OR pg_visible_in_snapshot(e.xid, s.target))
          ORDER BY e.xid, e.id LIMIT $6) late)
    ) both_arms ORDER BY id LIMIT $6) page_of_shard
  ) p WHERE p.bytes_before < ${PAGE_BYTES} ORDER BY p.shard, p.id
) page ON true`;

type RawRow = RawOutboxRow & { snapshot: string; last_drawn_id: number };

/** The next rows of each shard's window, by id, at most `limit` and 4 MiB of payload a shard (but always one). One statement, one snapshot, for all shards. */
export async function readPage(db: Queryable, shards: readonly ShardProgress[], limit: number): Promise<Page> {
  const { rows } = await prepared<RawRow>(db, 'outbox_read_page', readSql, [
    shards.map((s) => s.shard),
    shards.map((s) => s.prev),
    shards.map((s) => s.floorId),
    shards.map((s) => s.target),
    shards.map((s) => s.lastId),
    limit,
  ]);
  const first = rows[0]!;
  return {
    snapshot: first.snapshot,
    lastDrawnId: first.last_drawn_id,
    rows: first.id === null ? [] : rows.map((row) => toOutboxRow(row)),
  };
}

/**
 * The progress of a shard after its `rows` of `page` were acknowledged. A page shorter than `limit`, with all
 * that was found for it, exhausts the window: its target becomes prev. `floorId`: the id sequence as read before a write of ours that had committed
 * when this page's snapshot was taken. Pure.
 */
export function advance(
  before: ShardProgress,
  page: Page,
  rows: readonly OutboxRow[],
  limit: number,
  floorId: number,
): ShardProgress {
  const target = before.target ?? page.snapshot;
  const targetFloorId = before.targetFloorId ?? Math.max(before.floorId, floorId);
  const isLastPage = rows.length < limit && rows.length === (rows[0]?.found ?? 0);
  if (isLastPage) {
    return { shard: before.shard, prev: target, floorId: targetFloorId, target: null, targetFloorId: null, lastId: 0 };
  }
  return { ...before, target, targetFloorId, lastId: rows.at(-1)!.id };
}

/**
 * Stores progress and renews the lease of each shard, where holder and epoch still match. Returns the shards that are still
 * ours: the others were taken over, and what was just produced will be produced again by their new holder.
 */
export async function storeProgress(
  db: Queryable,
  holder: string,
  leaseMs: number,
  shards: readonly (ShardProgress & { epoch: number })[],
): Promise<Set<number>> {
  const { rows } = await prepared<{ shard: number }>(
    db,
    'outbox_store_progress',
    `UPDATE outbox.shard o SET prev = s.prev, floor_id = s.floor_id, target = s.target, target_floor_id = s.target_floor_id,
            last_id = s.last_id, stored_at = clock_timestamp(), lease_until = clock_timestamp() + $2 * interval '1 ms'
       FROM unnest($3::smallint[], $4::bigint[], $5::pg_snapshot[], $6::bigint[], $7::pg_snapshot[], $8::bigint[], $9::bigint[])
            AS s(shard, epoch, prev, floor_id, target, target_floor_id, last_id)
      WHERE o.shard = s.shard AND o.holder = $1 AND o.epoch = s.epoch
      RETURNING o.shard`,
    [
      holder,
      leaseMs,
      shards.map((s) => s.shard),
      shards.map((s) => s.epoch),
      shards.map((s) => s.prev),
      shards.map((s) => s.floorId),
      shards.map((s) => s.target),
      shards.map((s) => s.targetFloorId),
      shards.map((s) => s.lastId),
    ],
  );
  return new Set(rows.map((row) => row.shard));
}

/**
 * The enqueued-at of the oldest committed event that no stored window covers, in ms since 1970, or null when all are
 * published. For the gauge that alerts watch; a scan of the newest ids only.
 */
export async function findOldestPending(db: Queryable): Promise<number | null> {
  const { rows } = await db.query<{ at: number | null }>(
    `SELECT min(extract(epoch FROM e.enqueued_at) * 1000)::float8 AS at
       FROM outbox.shard s CROSS JOIN LATERAL (
         SELECT e.enqueued_at FROM outbox.event e
          WHERE e.shard = s.shard AND e.id > greatest(s.floor_id, s.last_id) AND NOT pg_visible_in_snapshot(e.xid, s.prev)
          ORDER BY e.id LIMIT 1) e`,
  );
  return rows[0]?.at ?? null;
}
