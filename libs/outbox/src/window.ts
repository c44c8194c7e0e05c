// The relay's SQL: snapshot windows over outbox.event, cut by id, and the fenced progress of each shard.
import { prepared, type Queryable } from '#database';
import { lastDrawnIdSql } from './last-drawn-id.ts';
import {
  instantColumn,
  type OutboxRow,
  outboxColumns,
  PAGE_BYTES,
  queryRows,
  type RawOutboxRow,
  toOutboxRow,
} from './rows.ts';

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
  /** In the order of their ids. */
  rows: OutboxRow[];
}

// Two arms: rows of transactions at or above prev's xmax, found by id, and rows of those that were in progress in prev below
// it, found by xid; each arm reads its own index in order (the ORDER BY of xid and id keeps the second one on its own). A
// statement sees exactly its own snapshot, so a window that begins here needs no test for its target.
// Never "id > last seen" across windows (a late committer has a lower id), never order by xid (not lane order).
// What concerns the whole page is a row of its own. Each pass over rows with their payloads costs about 0.5 µs a row: so
// one running sum, whose frame needs no look at what follows, and no order among shards.
const readSql = `
SELECT NULL::text AS snapshot, NULL::bigint AS last_drawn_id, p.id, p.shard, p.bytes_before + p.payload_bytes >= ${PAGE_BYTES} AS fills_page,
  p.event_id, p.tenant_id, p.stream_id, p.event_type, p.targets, p.payload, p.traceparent,
  ${instantColumn('occurred_at')}, ${instantColumn('enqueued_at')}
FROM unnest($1::smallint[], $2::pg_snapshot[], $3::bigint[], $4::pg_snapshot[], $5::bigint[])
  AS s(shard, prev, floor_id, target, last_id)
CROSS JOIN LATERAL (
  SELECT *, sum(payload_bytes) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING) - payload_bytes AS bytes_before
  FROM (SELECT * FROM (
    (SELECT ${outboxColumns} FROM outbox.event e
      WHERE e.shard = s.shard AND e.id > greatest(s.floor_id, s.last_id) AND e.xid >= pg_snapshot_xmax(s.prev)
        AND (s.target IS NULL OR pg_visible_in_snapshot(e.xid, s.target))
      ORDER BY e.id LIMIT $6)
    UNION ALL
    (SELECT late.* FROM unnest(ARRAY(SELECT pg_snapshot_xip(s.prev))) AS running(xid)
      CROSS JOIN LATERAL (
        SELECT ${outboxColumns} FROM outbox.event e
        WHERE e.shard = s.shard AND e.xid = running.xid AND e.id > s.last_id
          AND (s.target IS NULL OR pg_visible_in_snapshot(e.xid, s.target))
        ORDER BY e.xid, e.id LIMIT $6) late)
  ) both_arms ORDER BY id LIMIT $6) page_of_shard
) p WHERE p.bytes_before < ${PAGE_BYTES}
UNION ALL
SELECT pg_current_snapshot()::text, ${lastDrawnIdSql},
  NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL`;

type RawRow = RawOutboxRow & { snapshot: string | null; last_drawn_id: number | null };

/** The next rows of each shard's window, by id, at most `limit` and 4 MiB of payload a shard (but always one). One statement, one snapshot, for all shards. */
export async function readPage(db: Queryable, shards: readonly ShardProgress[], limit: number): Promise<Page> {
  const raw = await queryRows<RawRow>(db, 'outbox_read_page', readSql, [
    shards.map((s) => s.shard),
    shards.map((s) => s.prev),
    shards.map((s) => s.floorId),
    shards.map((s) => s.target),
    shards.map((s) => s.lastId),
    limit,
  ]);
  const page: Page = { snapshot: '', lastDrawnId: 0, rows: [] };
  for (const row of raw) {
    if (row.snapshot === null) page.rows.push(toOutboxRow(row));
    else Object.assign(page, { snapshot: row.snapshot, lastDrawnId: row.last_drawn_id });
  }
  page.rows.sort((a, b) => a.id - b.id);
  return page;
}

/**
 * The progress of a shard after its `rows` of `page` were acknowledged. A page shorter than `limit` that its
 * bytes did not fill exhausts the window: its target becomes prev. `floorId`: the id sequence as read before a write of ours that had committed
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
  const isLastPage = rows.length < limit && !rows.at(-1)?.fillsPage;
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
