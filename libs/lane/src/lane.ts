// A lane in memory: what is delivered, what waits in order, and the decisions that keep its order. No I/O.
import type { WaybillEvent } from '#events';
import type { RecordPosition } from './offsets.ts';

export type LaneMode = 'open' | 'parked' | 'halted';

/** Why a lane is not open. */
export type BlockReason =
  | 'failed' // the head failed and waits for its next attempt
  | 'spilled' // memory or time ran out before its turn: nothing failed
  | 'gap' // the head's record has not arrived
  | 'event_lost' // the head's record has not arrived, and the outbox has the event no more
  | 'draining' // nothing failed since the head got through: what had waited behind it is sent
  | 'endpoint_closed' // paused, held or behind an open circuit breaker
  | 'exhausted' // the head used up its attempts
  | 'invalid_payload' // the head does not match its type's schema
  | 'sequence_conflict'; // two events claim one sequence: a restored outbox

/** One event for one endpoint, as long as it is not terminal. */
export interface Delivery {
  readonly event: WaybillEvent;
  readonly endpointId: string;
  /** null for unordered types. */
  readonly sequence: number | null;
  /** Requests made so far, in all epochs. */
  attempts: number;
  /** Epoch of the last request; 0 before the first. */
  attemptsEpoch: number;
  /** Database ms since 1970. */
  firstAttemptAt: number | null;
  /** What became of the last request; `isUnknown`: the answer was lost, so the receiver may have accepted it. */
  last: {
    statusCode: number | null;
    errorClass: string | null;
    startedAt: number;
    durationMs: number;
    isUnknown: boolean;
  } | null;
  /** It has a row in waybill.delivery, or one is being written. */
  stored: boolean;
  /** When it came into memory, by the monotonic clock. */
  readonly admittedAt: number;
  /** The records on the log that wait for it. */
  readonly positions: RecordPosition[];
}

/** One that was never sent; `positions` are the records that wait for it. */
export function newDelivery(
  of: Pick<Delivery, 'event' | 'endpointId' | 'sequence'> & { admittedAt: number; positions: RecordPosition[] },
): Delivery {
  return { ...of, attempts: 0, attemptsEpoch: 0, firstAttemptAt: null, last: null, stored: false };
}

/**
 * Where the lane is in the process: `idle` nowhere, `ready` in its endpoint's queue, `running` (a request or a page load
 * is under way), `waiting` on the heap for its next attempt, `stalled` until the lease or the database is back.
 */
export type LanePlace = 'idle' | 'ready' | 'running' | 'waiting' | 'stalled';

/** What to do with a record that just arrived for a lane. */
export type Reception =
  | { kind: 'queue' } // next in turn on an open lane
  | { kind: 'park'; reason: BlockReason | null } // write it to PostgreSQL; a reason blocks an open lane
  | { kind: 'known'; delivery: Delivery } // a copy of one in memory: shares its fate
  | { kind: 'past' }; // at or below `delivered`: a duplicate, unless its id says otherwise

/** A lane's row, as it stood at one moment. */
export interface LaneState {
  endpointId: string;
  streamId: string;
  tenantId: string;
  partition: number;
  delivered: number;
  mode: LaneMode;
  attempts: number;
  nextAttemptAt: number | null;
  headEventId: string | null;
  blockedSince: number | null;
  lastErrorClass: string | null;
  reason: BlockReason | null;
}

export class Lane {
  /** Among the lanes of its partition. Kept: it is asked for several times a delivery, and a text made anew is hashed anew. */
  readonly key: string;
  readonly endpointId: string;
  readonly streamId: string;
  readonly tenantId: string;
  readonly partition: number;
  /** The event id of an unordered delivery: a lane of its own, without a row and without a sequence. */
  readonly unorderedEventId: string | null;

  delivered = 0;
  mode: LaneMode = 'open';
  /** Open: what waits in memory. Parked: the page that is being drained. The head first, in sequence order, no gaps. */
  queue: Delivery[] = [];
  inFlight: Delivery | null = null;
  /** Monotonic ms. */
  inFlightSince = 0;
  place: LanePlace = 'idle';
  /** Its entry on the heap while `waiting`. */
  dueEntry: object | null = null;
  /** Failed attempts of the head in this round. */
  attempts = 0;
  /** Database ms since 1970; null while open or halted. */
  nextAttemptAt: number | null = null;
  blockedSince: number | null = null;
  headEventId: string | null = null;
  lastErrorClass: string | null = null;
  reason: BlockReason | null = null;
  /** State changes that are not committed yet: a lane with any must stay in memory. */
  unsaved = 0;
  /** Park writes ever begun, and those not committed yet: what a page was loaded before may be missing from it. */
  parksBegun = 0;
  parksPending = 0;
  /** Writes of the head that are not committed yet: a page that is read meanwhile shows it as it was. */
  headWritesPending = 0;
  /** Look-ups under way whose answer is for this very object. */
  claims = 0;

  constructor(id: {
    endpointId: string;
    streamId: string;
    tenantId: string;
    partition: number;
    unorderedEventId?: string;
  }) {
    this.endpointId = id.endpointId;
    this.streamId = id.streamId;
    this.tenantId = id.tenantId;
    this.partition = id.partition;
    this.unorderedEventId = id.unorderedEventId ?? null;
    this.key = laneKey(id.endpointId, id.unorderedEventId ?? id.streamId);
  }

  /** What becomes of a record with this sequence (rule R4). Pure: the caller acts on it. */
  receive(sequence: number, maxQueued: number): Reception {
    if (sequence <= this.delivered) return { kind: 'past' };
    if (this.mode !== 'open') return { kind: 'park', reason: null };
    const next = this.delivered + this.queue.length + 1;
    if (sequence < next) return { kind: 'known', delivery: this.queue[sequence - this.delivered - 1]! };
    if (sequence > next) return { kind: 'park', reason: 'gap' };
    return this.queue.length < maxQueued ? { kind: 'queue' } : { kind: 'park', reason: 'spilled' };
  }

  /** The delivery that may be sent now (rule R3, less the lease, which the partition knows), or null. */
  sendable(): Delivery | null {
    const head = this.queue[0];
    if (!head || this.inFlight || this.mode === 'halted') return null;
    return head.sequence === null || head.sequence === this.delivered + 1 ? head : null;
  }

  /** The head reached a terminal state; what was said of it is void. */
  passHead(): void {
    const head = this.queue.shift();
    if (head === undefined) throw new Error(`lane ${this.key} has no head in memory`);
    if (head.sequence !== null) this.delivered = head.sequence;
    this.attempts = 0;
    this.headEventId = null;
    this.lastErrorClass = null;
    this.nextAttemptAt = null;
  }

  block(mode: 'parked' | 'halted', reason: BlockReason, at: number): void {
    this.mode = mode;
    this.reason = reason;
    this.blockedSince ??= at;
    if (mode === 'halted') this.nextAttemptAt = null;
  }

  /** Rule R9: only when nothing of the lane is parked and no park write is pending. */
  reopen(): void {
    this.mode = 'open';
    this.reason = null;
    this.blockedSince = null;
    this.nextAttemptAt = null;
    this.headEventId = null;
    this.lastErrorClass = null;
    this.attempts = 0;
  }

  /** What is to be written now: the lane itself may have moved on by the time of the transaction. */
  snapshot(): LaneState {
    const { endpointId, streamId, tenantId, partition, delivered, mode, attempts, nextAttemptAt } = this;
    const { headEventId, blockedSince, lastErrorClass, reason } = this;
    return {
      endpointId,
      streamId,
      tenantId,
      partition,
      delivered,
      mode,
      attempts,
      nextAttemptAt,
      headEventId,
      blockedSince,
      lastErrorClass,
      reason,
    };
  }

  /** True when its row in the database says all there is to know: it may leave memory. */
  get isClean(): boolean {
    return (
      this.unsaved === 0 &&
      this.place === 'idle' &&
      !this.inFlight &&
      this.queue.length === 0 &&
      this.parksPending === 0 &&
      this.claims === 0
    );
  }
}

export function laneKey(endpointId: string, streamOrEventId: string): string {
  return `${endpointId} ${streamOrEventId}`;
}
