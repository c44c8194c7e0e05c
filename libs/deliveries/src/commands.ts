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
  | { outcome: 'not_head'; state: LaneState; headSequence: number | null };

const returned = `id, endpoint_id AS "endpointId", stream_id AS "streamId", partition, sequence`;

/** Checked here for the operator's sake; the owner checks again, in the transaction that applies it. */
export async function insertOperatorCommand(db: Queryable, command: LaneCommand): Promise<CommandOutcome> {
  const { endpointId, streamId, kind, sequence, reason, requestedBy } = command;
  const { rows } = await db.query<CommandRow>(
    `INSERT INTO waybill.operator_command (endpoint_id, stream_id, partition, kind, sequence, reason, requested_by)
     SELECT l.endpoint_id, l.stream_id, l.partition, $3, l.delivered + 1, $5, $6 FROM waybill.lane l
      WHERE l.endpoint_id = $1 AND l.stream_id = $2 AND l.state <> 'open' AND l.delivered + 1 = $4
     RETURNING ${returned}`,
    [endpointId, streamId, kind, sequence, reason, requestedBy],
  );
  if (rows[0]) return { outcome: 'accepted', command: rows[0] };
  const lane = await db.query<{ state: LaneState; headSequence: number | null }>(
    `SELECT state, CASE WHEN state <> 'open' THEN delivered + 1 END AS "headSequence"
       FROM waybill.lane WHERE endpoint_id = $1 AND stream_id = $2`,
    [endpointId, streamId],
  );
  return lane.rows[0] ? { outcome: 'not_head', ...lane.rows[0] } : { outcome: 'no_such_lane' };
}

/** One retry for each halted lane of an endpoint, but not a second one for those that wait for theirs already. */
export async function insertRetryOfHalted(
  db: Queryable,
  request: { endpointId: string; reason: string; requestedBy: string },
): Promise<CommandRow[]> {
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
