// Records whose sequence is past or taken: a repeat of what is on record, another event, or one that an operator skipped unseen.
import { prepared, type Queryable } from '#database';
import type { LaneId } from './loading.ts';

export interface SequenceClaim extends LaneId {
  sequence: number;
  eventId: string;
  /** The history's partition key. */
  enqueuedAt: string;
}

export type Judgement<T extends SequenceClaim = SequenceClaim> =
  /** The sequence is on record with another event id. */
  | { claim: T; verdict: 'conflict' }
  /** An operator skipped the sequence while it had no record; `reason` is theirs. */
  | { claim: T; verdict: 'skipped'; reason: string };

/**
 * The claims that are more than repeats. What the retention has removed counts as a repeat. Nearly all claims are found by
 * the keys of their own rows; only the others are looked for by stream.
 */
export async function judgeClaims<T extends SequenceClaim>(
  db: Queryable,
  claims: readonly T[],
): Promise<Judgement<T>[]> {
  const { rows } = await prepared<{ claim: number; is_conflict: boolean; skip_reason: string | null }>(
    db,
    'delivery_judge_claims',
    `WITH k AS MATERIALIZED (
       SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::uuid[], $5::timestamptz[]) WITH ORDINALITY
              AS k(endpoint_id, stream_id, sequence, event_id, enqueued_at, claim)
        WHERE NOT EXISTS (SELECT FROM waybill.delivery_history h WHERE h.event_id = k.event_id
                 AND h.endpoint_id = k.endpoint_id AND h.enqueued_at = k.enqueued_at AND h.sequence = k.sequence))
     SELECT k.claim::int AS claim, found.* FROM k
       CROSS JOIN LATERAL (SELECT
         EXISTS (SELECT FROM waybill.delivery d WHERE d.endpoint_id = k.endpoint_id AND d.stream_id = k.stream_id
                    AND d.sequence = k.sequence AND d.event_id <> k.event_id)
           OR EXISTS (SELECT FROM waybill.delivery_history h WHERE h.stream_id = k.stream_id AND h.endpoint_id = k.endpoint_id
                    AND h.sequence = k.sequence AND h.event_id <> k.event_id) AS is_conflict,
         (SELECT c.reason FROM waybill.operator_command c WHERE c.endpoint_id = k.endpoint_id AND c.stream_id = k.stream_id
             AND c.sequence = k.sequence AND c.kind = 'skip' AND c.result = 'applied' LIMIT 1) AS skip_reason) found
      WHERE found.is_conflict OR found.skip_reason IS NOT NULL`,
    [
      claims.map((one) => one.endpointId),
      claims.map((one) => one.streamId),
      claims.map((one) => one.sequence),
      claims.map((one) => one.eventId),
      claims.map((one) => one.enqueuedAt),
    ],
  );
  return rows.map(({ claim: n, is_conflict: isConflict, skip_reason: reason }) => {
    const claim = claims[n - 1]!;
    return isConflict ? { claim, verdict: 'conflict' } : { claim, verdict: 'skipped', reason: reason! };
  });
}
