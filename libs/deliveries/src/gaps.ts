// Lanes that wait for a record which has not come: what they miss, and the word to their owner that it is lost for good.
import { prepared, type Queryable } from '#database';

/** A parked lane whose next record is missing while later ones wait. */
export interface Gap {
  endpointId: string;
  streamId: string;
  /** The missing sequences are `delivered` + 1 to `nextWaiting` - 1. */
  delivered: number;
  nextWaiting: number;
  nextWaitingEventId: string;
  /** The last terminal event of the lane, as far as the history has it. */
  deliveredEventId: string | null;
}

export interface GapPage {
  /** Lanes that have been blocked for at least this long. */
  minAgeMs: number;
  limit: number;
  /** The lane after which to go on: so that each has its turn, however many there are. */
  after: { endpointId: string; streamId: string } | null;
}

/** The lanes that wait for a missing record, in the order of their key. */
export async function findGaps(db: Queryable, page: GapPage): Promise<Gap[]> {
  const { rows } = await prepared<Gap>(
    db,
    'delivery_find_gaps',
    `SELECT l.endpoint_id AS "endpointId", l.stream_id AS "streamId", l.delivered, w.sequence AS "nextWaiting",
            w.event_id AS "nextWaitingEventId", (
              SELECT h.event_id FROM waybill.delivery_history h
               WHERE h.stream_id = l.stream_id AND h.endpoint_id = l.endpoint_id AND h.sequence = l.delivered LIMIT 1
            ) AS "deliveredEventId"
       FROM (SELECT * FROM waybill.lane l
              WHERE l.reason = 'gap' AND l.state = 'parked' AND l.blocked_since <= clock_timestamp() - $1 * interval '1 ms'
                AND ($2::uuid IS NULL OR (l.endpoint_id, l.stream_id) > ($2::uuid, $3::text))
              ORDER BY l.endpoint_id, l.stream_id LIMIT $4) l
       CROSS JOIN LATERAL (
         SELECT d.sequence, d.event_id FROM waybill.delivery d
          WHERE d.endpoint_id = l.endpoint_id AND d.stream_id = l.stream_id AND d.sequence > l.delivered
          ORDER BY d.sequence LIMIT 1) w
      WHERE w.sequence > l.delivered + 1`,
    [page.minAgeMs, page.after?.endpointId ?? null, page.after?.streamId ?? null, page.limit],
  );
  return rows;
}

/**
 * Tells the lane's owner that its next event is lost for good: it halts the lane as `event_lost`, unless the record has
 * come by then. Nothing is written when the lane has moved on, or was told already. Returns whether it was told now.
 */
export async function reportEventLost(
  db: Queryable,
  lost: { endpointId: string; streamId: string; sequence: number; reason: string },
): Promise<boolean> {
  const { rowCount } = await prepared(
    db,
    'delivery_report_event_lost',
    `INSERT INTO waybill.operator_command (endpoint_id, stream_id, partition, kind, sequence, reason, requested_by)
     SELECT l.endpoint_id, l.stream_id, l.partition, 'event_lost', l.delivered + 1, $4, 'reconciler' FROM waybill.lane l
      WHERE l.endpoint_id = $1 AND l.stream_id = $2 AND l.delivered + 1 = $3 AND l.state = 'parked' AND l.reason = 'gap'
        AND NOT EXISTS (SELECT FROM waybill.operator_command c WHERE c.endpoint_id = l.endpoint_id
              AND c.stream_id = l.stream_id AND c.kind = 'event_lost' AND c.closed_at IS NULL)`,
    [lost.endpointId, lost.streamId, lost.sequence, lost.reason],
  );
  return rowCount === 1;
}
