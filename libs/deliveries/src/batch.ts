// What a consumer's state transaction writes.
import type { WaybillEvent } from '#events';
import type { Delivery, LaneState } from '#lane';

export type WaitingState = 'pending' | 'parked' | 'exhausted';
export type TerminalState = 'delivered' | 'exhausted' | 'skipped' | 'expired';

/** A delivery that waits in waybill.delivery. */
export interface Waiting {
  partition: number;
  delivery: Delivery;
  state: WaitingState;
  /** Database ms; only for unordered deliveries, whose due time is not a lane's. */
  nextAttemptAt: number | null;
}

export interface Finished {
  partition: number;
  delivery: Delivery;
  state: TerminalState;
  reason: string | null;
  finishedAt: number;
}

export interface AttemptRow {
  partition: number;
  event: WaybillEvent;
  endpointId: string;
  epoch: number;
  number: number;
  outcome: 'success' | 'failure' | 'unknown';
  errorClass: string | null;
  statusCode: number | null;
  startedAt: number;
  durationMs: number;
  /** False for probes and requests that we cut ourselves: they don't use up the head's attempts. */
  counted: boolean;
  /** The previous epoch may have made requests that it had no time to record. */
  earlierAttemptsPossible: boolean;
  /** JSON object, secrets struck out. */
  requestHeaders: string;
  responseHeaders: string | null;
  responseBody: string | null;
}

export interface CommandResult {
  partition: number;
  id: string;
  result: 'applied' | 'void';
}

/** What happened since the last transaction, in any order: the statements bring it into the right one. */
export interface Batch {
  inserted: Waiting[];
  updated: Waiting[];
  finished: Finished[];
  attempts: AttemptRow[];
  lanes: LaneState[];
  commands: CommandResult[];
}
