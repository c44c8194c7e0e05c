// Events to publish again on request: asked for by the reconciler and by operators, answered by the relay that holds the shard.
import { prepared, type Queryable } from '#database';
import {
  instantColumn,
  type OutboxRow,
  outboxColumns,
  PAGE_BYTES,
  queryRows,
  type RawOutboxRow,
  toOutboxRow,
} from './rows.ts';

/** One request, and the event's row. An id that two tenants gave has two rows, one that is gone from the outbox none. */
export interface RepublishRequest {
  id: number;
  rows: OutboxRow[];
}

/** Closed requests forgotten by one statement. */
const FORGOTTEN_AT_ONCE = 10_000;

/**
 * Asks for `eventIds` of `shard` to be published again; those that wait for it already are left out. Returns how many were
 * asked for.
 */
export async function requestRepublication(
  db: Queryable,
  request: { shard: number; eventIds: readonly string[]; reason: string },
): Promise<number> {
  const { rowCount } = await prepared(
    db,
    'outbox_request_republication',
    `INSERT INTO outbox.republish_request (event_id, shard, reason)
     SELECT k.event_id, $2, $3 FROM unnest($1::uuid[]) WITH ORDINALITY AS k(event_id, n)
      WHERE NOT EXISTS (SELECT FROM outbox.republish_request r WHERE r.event_id = k.event_id AND r.done_at IS NULL)
      ORDER BY k.n`,
    [request.eventIds, request.shard, request.reason],
  );
  return rowCount ?? 0;
}

/** The oldest open requests of the shards that `holder` holds, at most `limit` and 4 MiB of payload (but always one). */
export async function readRepublishRequests(db: Queryable, holder: string, limit: number): Promise<RepublishRequest[]> {
  const rows = await queryRows<RawOutboxRow & { request_id: number }>(
    db,
    'outbox_read_republish_requests',
    `SELECT page.request_id, page.id, page.shard, false AS fills_page, page.event_id, page.tenant_id, page.stream_id, page.event_type,
            page.targets, page.payload, page.traceparent, ${instantColumn('occurred_at')}, ${instantColumn('enqueued_at')}
       FROM (
         SELECT r.id AS request_id, ${outboxColumns},
                sum(e.payload_bytes) OVER (ORDER BY r.id GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
           FROM (SELECT r.id, r.event_id FROM outbox.shard s CROSS JOIN LATERAL (
                   SELECT o.id, o.event_id FROM outbox.republish_request o
                    WHERE o.shard = s.shard AND o.done_at IS NULL ORDER BY o.id LIMIT $2) r
                  WHERE s.holder = $1 AND s.lease_until > clock_timestamp() ORDER BY r.id LIMIT $2) r
           LEFT JOIN outbox.event e ON e.event_id = r.event_id) page
      WHERE coalesce(page.bytes_before, 0) < ${PAGE_BYTES} ORDER BY page.request_id`,
    [holder, limit],
  );
  return [...Map.groupBy(rows, (row) => row.request_id)].map(([id, found]) => ({
    id,
    rows: found.filter((row) => row.id !== null).map((row) => toOutboxRow(row)),
  }));
}

/**
 * Closes requests whose event Kafka has acknowledged (`published`) or that name no row (`gone`), as far as `holder` still
 * holds their shards: others will be answered once more by who does. Returns how many were closed.
 */
export async function closeRepublishRequests(
  db: Queryable,
  holder: string,
  ids: readonly number[],
  result: 'published' | 'gone',
): Promise<number> {
  const { rowCount } = await prepared(
    db,
    'outbox_close_republish_requests',
    `UPDATE outbox.republish_request r SET done_at = clock_timestamp(), result = $3
       FROM outbox.shard s WHERE s.shard = r.shard AND s.holder = $1 AND r.id = ANY ($2::bigint[]) AND r.done_at IS NULL`,
    [holder, ids, result],
  );
  return rowCount ?? 0;
}

/** Forgets the requests that were closed before `before`. */
export async function forgetRepublishRequests(db: Queryable, before: Date): Promise<void> {
  for (let forgotten = FORGOTTEN_AT_ONCE; forgotten === FORGOTTEN_AT_ONCE;) {
    const { rowCount } = await db.query(
      `DELETE FROM outbox.republish_request WHERE id = ANY (ARRAY(
         SELECT id FROM outbox.republish_request WHERE done_at < $1 LIMIT ${FORGOTTEN_AT_ONCE}))`,
      [before],
    );
    forgotten = rowCount ?? 0;
  }
}
