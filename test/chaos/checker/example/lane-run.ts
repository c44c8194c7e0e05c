// One lane of the example, played from its first event to its last: requests, records, and what an operator does.
import type * as history from '../history.ts';
import { request } from './sign.ts';
import { at, iso, KILL, TAKEOVER } from './world.ts';

export interface Published {
  eventId: string;
  type: string;
  streamId: string;
  tenantId: string;
  payload: string;
  key: string;
  /** Absolute ms. */
  committedAt: number;
}

/** What a receiver does: a status, or silence, or an answer that is cut. */
export type Behaviour = { status: number; retryAfter?: string; answer?: 'cut' } | { status: null };

export interface LanePlay {
  endpoint: history.Endpoint;
  events: Published[];
  random: () => number;
  behave: (event: Published, attempt: number) => Behaviour;
  /** What an operator does each time the lane halts; then nothing more. */
  operator: ('retry' | 'skip')[];
  isOrdered: boolean;
}

export interface Played {
  arrivals: Omit<history.Arrival, 'n'>[];
  attempts: history.AttemptRow[];
  /** Requests that were made, on record or not: their epoch, end and outcome. */
  made: { epoch: number; endAt: number; outcome: 'success' | 'failure' | 'unknown'; status: number | null }[];
  deliveries: history.DeliveryRow[];
  commands: history.CommandRow[];
  audit: Omit<history.AuditRow, 'id'>[];
  lane: history.LaneRow | null;
}

/** What is finished but not flushed when the process is killed. */
const FLUSH_MS = 80;

export class LaneRun {
  readonly #play: LanePlay;
  readonly #played: Played = {
    arrivals: [],
    attempts: [],
    made: [],
    deliveries: [],
    commands: [],
    audit: [],
    lane: null,
  };
  #now = 0;
  #isHalted = false;

  constructor(play: LanePlay) {
    this.#play = play;
  }

  run(): Played {
    const { events, endpoint, isOrdered } = this.#play;
    let delivered = 0;
    for (const [index, event] of events.entries()) {
      const sequence = isOrdered ? index + 1 : null;
      this.#now = avoidOutage(Math.max(isOrdered ? this.#now : 0, event.committedAt + 5));
      const ended = this.#isHalted ? null : this.#deliver(event, sequence);
      if (ended) delivered = index + 1;
      this.#played.deliveries.push(this.#record(event, sequence, ended));
    }
    const [first] = events;
    if (isOrdered && first) {
      this.#played.lane = {
        endpoint_id: endpoint.id,
        stream_id: first.streamId,
        tenant_id: first.tenantId,
        partition: 0,
        delivered,
        state: this.#isHalted ? 'halted' : 'open',
        attempts: 0,
        next_attempt_at: null,
        head_event_id: null,
        blocked_since: null,
        last_error_class: null,
        reason: this.#isHalted ? 'exhausted' : null,
      };
    }
    return this.#played;
  }

  /** Null: the lane halted at it, for good. */
  #deliver(event: Published, sequence: number | null): { state: history.DeliveryState; reason: string | null } | null {
    const { endpoint, operator } = this.#play;
    for (let failures = 0; ;) {
      const outcome = this.#attempt(event, sequence);
      if (outcome.isLost) {
        this.#now = at(TAKEOVER);
        continue;
      }
      if (outcome.isSuccess) return { state: 'delivered', reason: null };
      failures++;
      if (failures <= endpoint.maxRetries) {
        const full = Math.min(endpoint.initialDelayMs * 2 ** (failures - 1), endpoint.maxDelayMs);
        const delay = Math.ceil((full * (1 + this.#play.random())) / 2);
        this.#now = avoidOutage(this.#now + Math.max(delay, outcome.retryAfterMs));
        continue;
      }
      this.#now = avoidOutage(this.#now + FLUSH_MS);
      if (sequence === null) return { state: 'exhausted', reason: 'exhausted' };
      if (endpoint.onExhausted === 'skip') return { state: 'skipped', reason: 'exhausted' };
      const deed = operator.shift();
      if (deed === undefined) {
        this.#isHalted = true;
        return null;
      }
      this.#command(deed, event, sequence);
      if (deed === 'skip') return { state: 'skipped', reason: 'operator: example' };
      failures = 0;
    }
  }

  #attempt(event: Published, sequence: number | null): { isSuccess: boolean; isLost: boolean; retryAfterMs: number } {
    const { endpoint, behave } = this.#play;
    const { attempts, arrivals, made } = this.#played;
    const own = attempts.filter((row) => row.event_id === event.eventId);
    const epoch = this.#now < at(KILL) ? 1 : 2;
    const number = (own.at(-1)?.number ?? 0) + 1;
    const behaviour = behave(event, number);
    const startedAt = this.#now;
    const arrivedAt = startedAt + 2;
    const isHanging = behaviour.status === null;
    const answeredAt = isHanging ? null : arrivedAt + 3;
    const durationMs = isHanging ? endpoint.timeoutMs : 6;
    const isCut = 'answer' in behaviour;
    const isSuccess = behaviour.status === 200;
    const outcome = isHanging ? 'unknown' : isSuccess ? 'success' : 'failure';
    const iv = Buffer.from(Array.from({ length: 16 }, () => Math.floor(this.#play.random() * 256)));
    const { eventId, type, streamId, payload } = event;
    arrivals.push({
      receivedAt: arrivedAt,
      answeredAt,
      path: endpoint.path,
      ...request(endpoint, { eventId, type, streamId, sequence, attempt: number, epoch, payload, at: startedAt, iv }),
      status: behaviour.status,
      answer: isHanging ? 'none' : isCut ? 'cut' : 'full',
      retryAfter: 'retryAfter' in behaviour ? (behaviour.retryAfter ?? null) : null,
      behaviour: isHanging ? 'hang' : String(behaviour.status),
    });
    this.#now = startedAt + durationMs;
    const isLost = startedAt < at(KILL) && this.#now + FLUSH_MS > at(KILL);
    made.push({ epoch, endAt: this.#now, outcome, status: behaviour.status });
    if (isLost) return { isSuccess, isLost, retryAfterMs: 0 };
    attempts.push({
      endpoint_id: endpoint.id,
      event_id: eventId,
      enqueued_at: iso(event.committedAt),
      epoch,
      number,
      outcome,
      error_class: isSuccess ? null : isHanging ? 'timeout' : `http_${Math.floor(behaviour.status / 100)}xx`,
      status_code: behaviour.status,
      started_at: iso(startedAt),
      duration_ms: durationMs,
      counted: true,
      earlier_attempts_possible: epoch === 2 && event.committedAt < at(TAKEOVER) && own.every((row) => row.epoch !== 2),
      request_headers: JSON.stringify({ 'X-Webhook-Event-Id': eventId, 'X-Api-Key': '[redacted]' }),
      response_headers: '{}',
      response_body: null,
    });
    const asked = 'retryAfter' in behaviour ? Number(behaviour.retryAfter ?? 0) * 1_000 : 0;
    return { isSuccess, isLost, retryAfterMs: asked };
  }

  #command(kind: 'retry' | 'skip', { tenantId, streamId }: Published, sequence: number): void {
    const { endpoint } = this.#play;
    this.#now = avoidOutage(this.#now + 1_000);
    const id = `command-${endpoint.id}-${streamId}-${sequence}-${kind}`;
    this.#played.commands.push({
      id,
      endpoint_id: endpoint.id,
      stream_id: streamId,
      partition: 0,
      kind,
      sequence,
      reason: 'example',
      requested_by: 'operator',
      requested_at: iso(this.#now),
      closed_at: iso(this.#now + 60),
      result: 'applied',
    });
    this.#played.audit.push({
      at: iso(this.#now),
      actor: 'operator',
      role: 'operator',
      action: `lane.${kind}`,
      target: `lane:${endpoint.id}/${streamId}`,
      tenant_id: tenantId,
      reason: 'example',
      details: { sequence, command: id },
    });
    this.#now += 100;
  }

  #record(
    event: Published,
    sequence: number | null,
    ended: { state: history.DeliveryState; reason: string | null } | null,
  ): history.DeliveryRow {
    const own = this.#played.attempts.filter((row) => row.event_id === event.eventId);
    const last = own.at(-1);
    return {
      table: ended ? 'delivery_history' : 'delivery',
      endpoint_id: this.#play.endpoint.id,
      event_id: event.eventId,
      tenant_id: event.tenantId,
      stream_id: event.streamId,
      sequence,
      event_type: event.type,
      partition: 0,
      state: ended?.state ?? (own.length > 0 ? 'exhausted' : 'parked'),
      payload: event.payload,
      payload_fault: null,
      occurred_at: iso(event.committedAt),
      enqueued_at: iso(event.committedAt),
      attempts: last?.number ?? 0,
      status_code: last?.status_code ?? null,
      error_class: last?.error_class ?? null,
      first_attempt_at: own[0]?.started_at ?? null,
      last_attempt_at: last?.started_at ?? null,
      ...(ended ? { reason: ended.reason, finished_at: iso(this.#now) } : { next_attempt_at: null }),
    };
  }
}

const avoidOutage = (ms: number) => (ms >= at(KILL) && ms < at(TAKEOVER) ? at(TAKEOVER) : ms);
