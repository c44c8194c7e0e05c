// What an operator asks of a lane: a row for the lane's owner, which applies it only while its sequence is still the head.
import type { Queryable } from '#database';
import type { LaneState } from './lanes-query.ts';

export type CommandKind = 'retry' | 'skip';

export interface LaneCommand {
  endpointId: string;
  streamId: string;
  kind: CommandKind;
  /** Must be the head's: what the operator looked at. */
  sequence: number;
  reason: string;
  requestedBy: string;
}

/** What a ticket needs to reach the lane's owner. */
export interface CommandRow {
  id: string;
  endpointId: string;
  streamId: string;
  partition: number;
  sequence: number;
}

export type CommandOutcome =
  | { outcome: 'accepted'; command: CommandRow }
  | { outcome: 'no_such_lane' }
  /** The lane is open, or its head is another: 409. */
  | { outcome: 'not_head'; state: LaneState; headSequence: number | null }
  /** A skip of a lane in conflict, whose head is not the event that was refused, or of one on which nothing waits: 409. */
  | { outcome: 'not_skippable'; state: LaneState; headSequence: number; reason: string | null };

const returned = `id, endpoint_id AS "endpointId", stream_id AS "streamId", partition, sequence`;

// What the owner will ask before it applies the command: without a record, only a gap can be skipped.
const isSkippable = `l.reason IS DISTINCT FROM 'sequence_conflict' AND EXISTS (SELECT FROM waybill.delivery d
  WHERE d.endpoint_id = l.endpoint_id AND d.stream_id = l.stream_id AND d.sequence > l.delivered)`;

// Held to the end of the transaction, so that of two equal commands at once the second one sees the first.
async function lockCommandsOf(db: Queryable, endpointId: string): Promise<void> {
  await db.query(`SELECT pg_advisory_xact_lock(hashtextextended('waybill.operator_command ' || $1::uuid, 0))`, [
    endpointId,
  ]);
}

/**
 * Checked here for the operator's sake; the owner checks again, in the transaction that applies it. A skip may name a
 * sequence that has no record, when later ones wait for it. Sent again while it is open it is the same command: a second
 * retry would be a second round of attempts. Call it in a transaction.
 */
export async function insertOperatorCommand(db: Queryable, command: LaneCommand): Promise<CommandOutcome> {
  const { endpointId, streamId, kind, sequence, reason, requestedBy } = command;
  await lockCommandsOf(db, endpointId);
  const open = await db.query<CommandRow>(
    `SELECT ${returned} FROM waybill.operator_command
      WHERE endpoint_id = $1 AND stream_id = $2 AND kind = $3 AND sequence = $4 AND closed_at IS NULL LIMIT 1`,
    [endpointId, streamId, kind, sequence],
  );
  if (open.rows[0]) return { outcome: 'accepted', command: open.rows[0] };
  const { rows } = await db.query<CommandRow>(
    `INSERT INTO waybill.operator_command (endpoint_id, stream_id, partition, kind, sequence, reason, requested_by)
     SELECT l.endpoint_id, l.stream_id, l.partition, $3, l.delivered + 1, $5, $6 FROM waybill.lane l
      WHERE l.endpoint_id = $1 AND l.stream_id = $2 AND l.state <> 'open' AND l.delivered + 1 = $4
        AND ($3 <> 'skip' OR ${isSkippable})
     RETURNING ${returned}`,
    [endpointId, streamId, kind, sequence, reason, requestedBy],
  );
  if (rows[0]) return { outcome: 'accepted', command: rows[0] };
  const lane = await db.query<{ state: LaneState; headSequence: number | null; reason: string | null }>(
    `SELECT state, CASE WHEN state <> 'open' THEN delivered + 1 END AS "headSequence", reason
       FROM waybill.lane WHERE endpoint_id = $1 AND stream_id = $2`,
    [endpointId, streamId],
  );
  if (!lane.rows[0]) return { outcome: 'no_such_lane' };
  const { state, headSequence, reason: blockReason } = lane.rows[0];
  if (headSequence !== sequence) return { outcome: 'not_head', state, headSequence };
  return { outcome: 'not_skippable', state, headSequence, reason: blockReason };
}

/** One retry for each halted lane of an endpoint, but not a second one for those that wait for theirs already. Call it in a transaction. */
export async function insertRetryOfHalted(
  db: Queryable,
  request: { endpointId: string; reason: string; requestedBy: string },
): Promise<CommandRow[]> {
  await lockCommandsOf(db, request.endpointId);
  const { rows } = await db.query<CommandRow>(
    `INSERT INTO waybill.operator_command (endpoint_id, stream_id, partition, kind, sequence, reason, requested_by)
     SELECT l.endpoint_id, l.stream_id, l.partition, 'retry', l.delivered + 1, $2, $3 FROM waybill.lane l
      WHERE l.endpoint_id = $1 AND l.state = 'halted' AND l.state <> 'open' AND NOT EXISTS (
        SELECT FROM waybill.operator_command c WHERE c.endpoint_id = l.endpoint_id AND c.stream_id = l.stream_id
           AND c.kind = 'retry' AND c.sequence = l.delivered + 1 AND c.closed_at IS NULL)
     RETURNING ${returned}`,
    [request.endpointId, request.reason, request.requestedBy],
  );
  return rows;
}

/**
 * The record for `<prefix>.retry` that tells the lane's owner to look. Send it after the commit; when it is lost, the owner's
 * sweeper finds the row within 10 s.
 */
export function commandTicket(command: CommandRow, now: Date): { partition: number; key: string; value: string } {
  const { endpointId, streamId, partition, sequence } = command;
  const ticket = {
    kind: 'command',
    endpointId,
    streamId,
    headSequence: sequence,
    attempt: 0,
    notBefore: now.toISOString(),
  };
  return { partition, key: streamId, value: JSON.stringify(ticket) };
}
