// What the delivery side does not know, of events that should have reached it: for the reconciler, which holds both ends.
import { prepared, type Queryable } from '#database';
import type { LaneId, UnorderedId } from './loading.ts';

export interface LaneTarget extends LaneId {
  sequence: number;
}

/** The lanes that have not come to their `sequence` yet. One probe of the lane's key each: about 2 us. */
export async function findLanesBehind<T extends LaneTarget>(db: Queryable, lanes: readonly T[]): Promise<T[]> {
  if (lanes.length === 0) return [];
  const { rows } = await prepared<{ n: number }>(
    db,
    'delivery_find_lanes_behind',
    `SELECT k.n::int AS n FROM unnest($1::uuid[], $2::text[], $3::bigint[]) WITH ORDINALITY AS k(endpoint_id, stream_id, sequence, n)
       LEFT JOIN waybill.lane l ON l.endpoint_id = k.endpoint_id AND l.stream_id = k.stream_id
      WHERE coalesce(l.delivered, 0) < k.sequence`,
    laneColumns(lanes),
  );
  return rows.map((row) => lanes[row.n - 1]!);
}

/** Those that are neither delivered (or skipped, or expired) nor waiting on their lane. */
export async function findUnknownTargets<T extends LaneTarget>(db: Queryable, targets: readonly T[]): Promise<T[]> {
  if (targets.length === 0) return [];
  const { rows } = await prepared<{ n: number }>(
    db,
    'delivery_find_unknown_targets',
    `SELECT k.n::int AS n FROM unnest($1::uuid[], $2::text[], $3::bigint[]) WITH ORDINALITY AS k(endpoint_id, stream_id, sequence, n)
       LEFT JOIN waybill.lane l ON l.endpoint_id = k.endpoint_id AND l.stream_id = k.stream_id
      WHERE coalesce(l.delivered, 0) < k.sequence AND NOT EXISTS (
        SELECT FROM waybill.delivery d
         WHERE d.endpoint_id = k.endpoint_id AND d.stream_id = k.stream_id AND d.sequence = k.sequence)`,
    laneColumns(targets),
  );
  return rows.map((row) => targets[row.n - 1]!);
}

/** Unordered deliveries that neither wait nor are terminal. */
export async function findUnknownUnordered<T extends UnorderedId>(db: Queryable, targets: readonly T[]): Promise<T[]> {
  if (targets.length === 0) return [];
  const { rows } = await prepared<{ n: number }>(
    db,
    'delivery_find_unknown_unordered',
    `SELECT k.n::int AS n FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) WITH ORDINALITY AS k(endpoint_id, event_id, enqueued_at, n)
      WHERE NOT EXISTS (SELECT FROM waybill.delivery_history h
              WHERE h.event_id = k.event_id AND h.endpoint_id = k.endpoint_id AND h.enqueued_at = k.enqueued_at)
        AND NOT EXISTS (SELECT FROM waybill.delivery d WHERE d.endpoint_id = k.endpoint_id AND d.event_id = k.event_id)`,
    [targets.map((one) => one.endpointId), targets.map((one) => one.eventId), targets.map((one) => one.enqueuedAt)],
  );
  return rows.map((row) => targets[row.n - 1]!);
}

function laneColumns(lanes: readonly LaneTarget[]): unknown[] {
  return [lanes.map((one) => one.endpointId), lanes.map((one) => one.streamId), lanes.map((one) => one.sequence)];
}
