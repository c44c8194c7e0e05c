// The reconciler's side of the outbox: windows over what was published, page by page, and what each page's events are addressed to.
import { prepared, type Queryable } from '#database';
import { lastDrawnIdSql } from './last-drawn-id.ts';

/**
 * A window of published events that are to be compared with the delivery side: rows whose transaction was not visible in
 * `prev` and is visible in `target`, cut into pages by id. So a transaction that commits late is in the next window, whatever
 * its rows' ids.
 */
export interface ReconciliationWindow {
  shard: number;
  prev: string;
  floorId: number;
  target: string;
  targetFloorId: number;
  /** No row of the window has a greater id. */
  highestId: number;
  /** The last row of the window whose predecessors, itself included, are known to the delivery side; 0 at its beginning. */
  lastId: number;
  /** What is stored, as it was read: whoever changes it meanwhile, another relay or an operator, is not overruled. */
  stored: { prev: string; lastId: number };
}

/** What the events of a page are addressed to. */
export interface PageTargets {
  /** Rows of the page; fewer than the limit: it is the window's last. */
  events: number;
  /** Id of the page's last row; null for a page without rows. */
  lastId: number | null;
  /** The highest sequence of each lane. */
  lanes: { endpointId: string; streamId: string; sequence: number }[];
  unordered: { endpointId: string; eventId: string; enqueuedAt: string }[];
}

export interface EventTarget {
  eventId: string;
  endpointId: string;
  streamId: string;
  sequence: number;
}

interface RawWindow {
  shard: number;
  is_foreign: boolean;
  prev: string;
  floor_id: number;
  target: string | null;
  target_floor_id: number | null;
  highest_id: number | null;
  last_id: number;
  published: string;
  published_floor_id: number;
  last_drawn_id: number;
}

/**
 * One window for each shard of `holder` that has anything to compare. Shards with open requests are left out: what was just
 * asked for can't be known yet. In another database than the one that was compared before, everything is compared again.
 */
export async function findReconciliationWindows(db: Queryable, holder: string): Promise<ReconciliationWindow[]> {
  const { rows } = await prepared<RawWindow>(
    db,
    'outbox_find_reconciliation_windows',
    `SELECT r.shard, r.prev::text, r.floor_id, r.target::text, r.target_floor_id, r.highest_id, r.last_id,
            s.prev::text AS published, s.floor_id AS published_floor_id,
            r.system_identifier IS DISTINCT FROM s.system_identifier
              OR pg_snapshot_xmax(r.prev) > pg_snapshot_xmax(pg_current_snapshot()) AS is_foreign,
            ${lastDrawnIdSql} AS last_drawn_id
       FROM outbox.shard s JOIN outbox.reconciliation r ON r.shard = s.shard
      WHERE s.holder = $1 AND s.lease_until > clock_timestamp()
        AND NOT EXISTS (SELECT FROM outbox.republish_request o WHERE o.shard = s.shard AND o.done_at IS NULL)
      ORDER BY r.shard`,
    [holder],
  );
  return rows.map(toWindow).filter((window) => window.target !== window.prev);
}

function toWindow(row: RawWindow): ReconciliationWindow {
  const { shard } = row;
  const stored = { prev: row.prev, lastId: row.last_id };
  if (row.target !== null && !row.is_foreign) {
    return {
      shard,
      prev: row.prev,
      floorId: row.floor_id,
      target: row.target,
      targetFloorId: row.target_floor_id!,
      highestId: row.highest_id!,
      lastId: row.last_id,
      stored,
    };
  }
  const from = row.is_foreign ? { prev: '3:3:', floorId: 0 } : { prev: row.prev, floorId: row.floor_id };
  return {
    shard,
    ...from,
    target: row.published,
    targetFloorId: Math.max(from.floorId, row.published_floor_id),
    highestId: row.last_drawn_id,
    lastId: 0,
    stored,
  };
}

// The two arms of window.ts, for a window whose end is fixed. $1 shard, $2 prev, $3 floor, $4 target, $5 highest id,
// $6 last id, $7 limit.
const pageSql = `
  SELECT * FROM (
    (SELECT e.id, e.event_id, e.stream_id, e.targets, e.enqueued_at FROM outbox.event e
      WHERE e.shard = $1 AND e.id > greatest($3::bigint, $6::bigint) AND e.id <= $5 AND e.xid >= pg_snapshot_xmax($2::pg_snapshot)
        AND pg_visible_in_snapshot(e.xid, $4::pg_snapshot)
      ORDER BY e.id LIMIT $7)
    UNION ALL
    (SELECT late.* FROM unnest(ARRAY(SELECT pg_snapshot_xip($2::pg_snapshot))) AS running(xid)
      CROSS JOIN LATERAL (
        SELECT e.id, e.event_id, e.stream_id, e.targets, e.enqueued_at FROM outbox.event e
         WHERE e.shard = $1 AND e.xid = running.xid AND e.id > $6 AND pg_visible_in_snapshot(e.xid, $4::pg_snapshot)
         ORDER BY e.xid, e.id LIMIT $7) late)
  ) both_arms ORDER BY id LIMIT $7`;

const targetsSql = `
  SELECT p.id, p.event_id, p.stream_id, p.enqueued_at, (t.value->>0)::uuid AS endpoint_id, (t.value->>1)::bigint AS sequence
    FROM page p CROSS JOIN LATERAL json_array_elements(p.targets) t`;

/** The targets of the window's next events after `afterId`, at most `limit` events. */
export async function readPageTargets(
  db: Queryable,
  window: ReconciliationWindow,
  afterId: number,
  limit: number,
): Promise<PageTargets> {
  const { rows } = await prepared<{
    events: number;
    last_id: number | null;
    endpoint_id: string | null;
    stream_id: string | null;
    sequence: number;
    event_id: string;
    enqueued_at: string;
  }>(
    db,
    'outbox_read_page_targets',
    `WITH page AS MATERIALIZED (${pageSql}), target AS (${targetsSql})
     SELECT whole.events, whole.last_id, found.* FROM (SELECT count(*)::int AS events, max(id) AS last_id FROM page) whole
       LEFT JOIN (
         SELECT endpoint_id, stream_id, max(sequence) AS sequence, NULL::uuid AS event_id, NULL::text AS enqueued_at
           FROM target WHERE sequence IS NOT NULL GROUP BY endpoint_id, stream_id
         UNION ALL
         SELECT endpoint_id, NULL, NULL, event_id, enqueued_at::text FROM target WHERE sequence IS NULL) found ON true`,
    pageValues(window, afterId, limit),
  );
  const page: PageTargets = { events: rows[0]!.events, lastId: rows[0]!.last_id, lanes: [], unordered: [] };
  for (const { endpoint_id: endpointId, stream_id: streamId, sequence, event_id: eventId, enqueued_at } of rows) {
    if (endpointId === null) continue;
    if (streamId !== null) page.lanes.push({ endpointId, streamId, sequence });
    else page.unordered.push({ endpointId, eventId, enqueuedAt: enqueued_at });
  }
  return page;
}

/** Event by event, oldest first, what `readPageTargets` summed up, for some of the page's streams. */
export async function readStreamTargets(
  db: Queryable,
  window: ReconciliationWindow,
  page: { afterId: number; limit: number; streamIds: readonly string[] },
): Promise<EventTarget[]> {
  const { rows } = await prepared<EventTarget>(
    db,
    'outbox_read_stream_targets',
    `WITH page AS MATERIALIZED (SELECT * FROM (${pageSql}) p WHERE p.stream_id = ANY ($8::text[])), target AS (${targetsSql})
     SELECT event_id AS "eventId", endpoint_id AS "endpointId", stream_id AS "streamId", sequence
       FROM target WHERE sequence IS NOT NULL ORDER BY id`,
    [...pageValues(window, page.afterId, page.limit), page.streamIds],
  );
  return rows;
}

/**
 * The floor only saves the scan from reading what the transaction ids leave out anyway. The relay has no use for a lower
 * one; here it is lower by some milliseconds of scanning: an event that the relay passed over, by a floor that was
 * too high, is missed by nobody else.
 */
const IDS_BELOW_FLOOR = 10_000;

function pageValues(window: ReconciliationWindow, afterId: number, limit: number): unknown[] {
  const floorId = window.floorId - IDS_BELOW_FLOOR;
  return [window.shard, window.prev, floorId, window.target, window.highestId, afterId, limit];
}

/**
 * Stores how far the comparison has come: everything of the window up to `lastId` is known to the delivery side, or, with
 * `isExhausted`, all of it. False when `holder` does not hold the shard any more, or what is stored has changed since.
 */
export async function storeReconciliation(
  db: Queryable,
  holder: string,
  window: ReconciliationWindow,
  isExhausted: boolean,
): Promise<boolean> {
  const { rowCount } = await prepared(
    db,
    'outbox_store_reconciliation',
    `UPDATE outbox.reconciliation r SET system_identifier = s.system_identifier, prev = $3, floor_id = $4, target = $5,
            target_floor_id = $6, highest_id = $7, last_id = $8, stored_at = clock_timestamp()
       FROM outbox.shard s
      WHERE s.shard = r.shard AND s.holder = $1 AND r.shard = $2 AND r.prev::text = $9 AND r.last_id = $10`,
    [
      holder,
      window.shard,
      ...(isExhausted
        ? [window.target, window.targetFloorId, null, null, null, 0]
        : [window.prev, window.floorId, window.target, window.targetFloorId, window.highestId, window.lastId]),
      window.stored.prev,
      window.stored.lastId,
    ],
  );
  window.stored = { prev: window.prev, lastId: window.lastId };
  return rowCount === 1;
}
