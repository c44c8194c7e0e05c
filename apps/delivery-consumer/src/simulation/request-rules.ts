// What each single request must keep, whatever its lane: its bytes, its time, the limits, and what a failing endpoint is owed.
import { Violation } from '#clock';
import { findEventType } from '#events';
import { defaultBreaker, laneKey } from '#lane';
import type { MemoryDatabase } from './memory-store.ts';
import { type Exchange, isSuccess } from './receiver.ts';
import type { EventPlan, Scenario } from './scenario.ts';

/** The database's clock as a process knows it, over a slow network. */
const CLOCK_TOLERANCE_MS = 250;
/** Two refreshes and the way of the answers. */
const HEARD_WITHIN_MS = 2_500;
/** `maxUnrecordedMs` of the dispatcher. */
const UNRECORDED_FOR_MS = 1_000;

/** What one process has seen of one endpoint: the breaker must do with it what its design says. */
interface Seen {
  inFlight: number;
  failedLanes: Set<string>;
  lastSuccessAt: number;
  /** When ten lanes in a row had failed, or the last probe had; null while it may be sent to freely. */
  shutAt: number | null;
  probe: Exchange | null;
}

export class RequestRules {
  readonly #scenario: Scenario;
  readonly #database: MemoryDatabase;
  readonly #partitions: Map<string, number>;
  readonly #limits: Map<string, number>;
  readonly #inFlight = new Map<string, number>();
  readonly #seen = new Map<string, Seen>();
  /** When an operator, or a 410, last changed an endpoint: each process forgets what it has learned of it when it hears of that. */
  readonly #changedAt = new Map<string, number>();
  /** Failures that count against their delivery. */
  readonly #counted = new Set<Exchange>();
  readonly #closedAt = new Map<string, number>();
  /** By process: successes that may not be on record yet, the oldest first. */
  readonly #unrecorded = new Map<string, Exchange[]>();
  readonly #enqueuedAt = new Map<string, number>();
  readonly #hasStoreFaults: boolean;
  readonly #hasClockFaults: boolean;

  constructor(scenario: Scenario, database: MemoryDatabase) {
    this.#scenario = scenario;
    this.#database = database;
    this.#partitions = new Map(scenario.events.map(({ id, partition }) => [id, partition]));
    this.#limits = new Map(scenario.endpoints.map(({ id, maxConcurrency }) => [id, maxConcurrency]));
    this.#hasStoreFaults = scenario.actions.some(({ kind }) => ['pause', 'store_hangs', 'store_fails'].includes(kind));
    this.#hasClockFaults = scenario.actions.some(({ kind }) => kind === 'pause' || kind === 'store_hangs');
  }

  endpointChanged(id: string, isClosed: boolean): void {
    const now = this.#database.now();
    this.#changedAt.set(id, now);
    if (!isClosed) this.#closedAt.delete(id);
    else if (!this.#closedAt.has(id)) this.#closedAt.set(id, now);
  }

  enqueued(eventId: string, at: number): void {
    this.#enqueuedAt.set(eventId, at);
  }

  onSend(exchange: Exchange, plan: EventPlan, payload: Buffer, earlier: readonly Exchange[]): void {
    this.#checkIdentity(exchange, plan, payload);
    this.#checkLimits(exchange);
    this.#checkExpiry(exchange, plan);
    this.#checkSchedule(exchange, earlier.at(-1));
    this.#checkRound(exchange, earlier);
    this.#checkClosed(exchange);
    this.#checkUnrecorded(exchange);
    this.#checkBreaker(exchange);
  }

  onResult(exchange: Exchange): void {
    const { consumer, result } = exchange;
    this.#inFlight.set(consumer, this.#inFlight.get(consumer)! - 1);
    const seen = this.#seenBy(exchange);
    seen.inFlight--;
    const wasProbe = seen.probe === exchange;
    if (wasProbe) seen.probe = null;
    if (!wasProbe && isCounted(exchange)) this.#counted.add(exchange);
    const now = this.#database.now();
    if (isSuccess(exchange)) {
      this.#unrecordedOf(consumer).push(exchange);
      seen.lastSuccessAt = now;
      seen.shutAt = null;
      seen.failedLanes.clear();
    } else if (result?.kind === 'response' || (result?.kind === 'failed' && result.errorClass !== 'aborted')) {
      if (wasProbe) seen.shutAt = now;
      else if (seen.shutAt === null && exchange.sentAt >= seen.lastSuccessAt) {
        seen.failedLanes.add(exchange.sequence === null ? exchange.eventId : exchange.stream);
        const isQuiet = now - seen.lastSuccessAt >= defaultBreaker.quietMs;
        if (isQuiet && seen.failedLanes.size >= defaultBreaker.lanesToOpen && this.#scenario.options.circuitBreaker)
          seen.shutAt = now;
      }
    }
  }

  /** P5: type, stream, sequence and bytes are the event's own, on every attempt. */
  #checkIdentity(
    { endpoint, eventId, stream, sequence, type, body }: Exchange,
    plan: EventPlan,
    payload: Buffer,
  ): void {
    const target = plan.targets.find((one) => one.endpoint === endpoint);
    const about = [endpoint, stream, eventId];
    if (!target || target.sequence !== sequence || plan.stream !== stream || plan.type !== type)
      throw new Violation(`identity: ${eventId} was sent to ${endpoint} as ${type} ${stream} ${sequence}`, ...about);
    if (!body.equals(payload))
      throw new Violation(`identity: ${eventId} was sent as ${body.toString()}, not ${payload.toString()}`, ...about);
  }

  #checkLimits({ consumer, endpoint }: Exchange, { maxInFlight } = this.#scenario.options): void {
    const inFlight = (this.#inFlight.get(consumer) ?? 0) + 1;
    this.#inFlight.set(consumer, inFlight);
    if (inFlight > maxInFlight)
      throw new Violation(`limit: ${inFlight} requests of ${consumer} in flight, of ${maxInFlight}`);
    const seen = this.#seenBy({ consumer, endpoint });
    const limit = this.#limits.get(endpoint)!;
    if (++seen.inFlight > limit)
      throw new Violation(`limit: ${seen.inFlight} requests in flight to ${endpoint}, of ${limit}`, endpoint);
  }

  /** What nobody can use any more is not sent. */
  #checkExpiry({ endpoint, eventId, sentAt, wasHeldUp }: Exchange, plan: EventPlan): void {
    const expiresAfterMs = findEventType(plan.type)?.expiresAfterMs;
    const enqueuedAt = this.#enqueuedAt.get(eventId);
    if (!expiresAfterMs || enqueuedAt === undefined || wasHeldUp || this.#hasClockFaults) return;
    const lateMs = sentAt - enqueuedAt - expiresAfterMs;
    if (lateMs > CLOCK_TOLERANCE_MS)
      throw new Violation(`expired: ${eventId} was sent ${lateMs} ms too late`, endpoint, eventId);
  }

  /** C10: not before the shortest delay that the schedule may give after an answer, and never before `Retry-After`. */
  #checkSchedule(exchange: Exchange, previous: Exchange | undefined): void {
    const { endpoint, eventId, stream, sentAt } = exchange;
    const result = previous?.result;
    if (!previous || result?.kind !== 'response' || isSuccess(previous) || result.statusCode === 410) return;
    // Of a request that left no record the next owner knows nothing.
    const record = `${eventId} ${endpoint} ${previous.epoch} ${previous.attempt}`;
    if (previous.epoch !== exchange.epoch && !this.#database.attempts.has(record)) return;
    // And one whose first look at the database's clock took long is off by half of that.
    if (previous.consumer !== exchange.consumer && this.#hasClockFaults) return;
    // A probe takes the lane that is due next, due or not.
    if (this.#seenBy(exchange).shutAt !== null || this.#wasToldOtherwise(exchange, previous)) return;
    const leastMs = result.headers['retry-after'] ? 1_000 : 50;
    // A process knows the database's clock as exactly as its first reading was quick.
    const pauseMs = sentAt - previous.resultAt! + 2 * this.#scenario.options.storeLatencyMs;
    if (pauseMs < leastMs)
      throw new Violation(
        `early: ${eventId} was sent again after ${pauseMs} ms, not ${leastMs}`,
        endpoint,
        stream,
        eventId,
      );
  }

  /** R10: one attempt and `maxRetries` more, then it is for an operator. */
  #checkRound(exchange: Exchange, earlier: readonly Exchange[]): void {
    const { endpoint, eventId, epoch } = exchange;
    // Which requests were probes, and so don't count, is not known of an endpoint that was changed.
    if (this.#changedAt.has(endpoint) && this.#scenario.options.circuitBreaker) return;
    const plan = this.#scenario.endpoints.find(({ id }) => id === endpoint)!;
    const failures = earlier.filter((one) => one.epoch === epoch && this.#counted.has(one));
    if (failures.length <= plan.maxRetries || this.#wasToldOtherwise(exchange, failures[0]!)) return;
    throw new Violation(
      `round: ${eventId} is sent after ${failures.length} failures, of ${plan.maxRetries + 1}`,
      endpoint,
      eventId,
    );
  }

  /** An operator's retry, or a changed endpoint, may come between. */
  #wasToldOtherwise({ endpoint, stream }: Exchange, previous: Exchange): boolean {
    return (
      (this.#changedAt.get(endpoint) ?? -Infinity) >= previous.sentAt ||
      this.#database.commands.some(
        (one) => one.endpointId === endpoint && one.streamId === stream && one.requestedAt >= previous.sentAt - 60_000,
      )
    );
  }

  /** Ten lanes failed in a row: from then on one request at a time, after a pause, until one succeeds. */
  #checkBreaker(exchange: Exchange): void {
    const seen = this.#seenBy(exchange);
    const { endpoint, eventId, consumer, sentAt } = exchange;
    if (seen.shutAt === null || this.#changedAt.has(endpoint)) return;
    if (seen.probe)
      throw new Violation(`breaker: ${consumer} sends ${eventId} while it probes with ${seen.probe.eventId}`, endpoint);
    if (sentAt - seen.shutAt < defaultBreaker.firstPauseMs)
      throw new Violation(
        `breaker: ${consumer} sends ${eventId} ${sentAt - seen.shutAt} ms after ten lanes failed`,
        endpoint,
      );
    seen.probe = exchange;
  }

  /** A paused or deleted endpoint is left alone: a process hears of it within seconds. */
  #checkClosed({ endpoint, eventId, sentAt, wasHeldUp }: Exchange): void {
    const closedAt = this.#closedAt.get(endpoint);
    if (closedAt === undefined || wasHeldUp || this.#hasStoreFaults) return;
    if (sentAt - closedAt > HEARD_WITHIN_MS)
      throw new Violation(`closed: ${eventId} was sent ${sentAt - closedAt} ms after ${endpoint} was closed`, endpoint);
  }

  /** R5: nothing new while a success has been unrecorded for a second: that bounds what a crash sends again. */
  #checkUnrecorded({ consumer, eventId, sentAt, wasHeldUp }: Exchange): void {
    const successes = this.#unrecordedOf(consumer);
    // Its partition was lost: then it is for the next owner to find out.
    const isVoid = (one: Exchange) =>
      !this.#database.isHeld({ partition: this.#partitionOf(one), epoch: one.epoch }, consumer);
    const isRecorded = (one: Exchange) => this.#database.history.has(laneKey(one.endpoint, one.eventId));
    while (successes[0] && (isRecorded(successes[0]) || isVoid(successes[0]))) successes.shift();
    const [oldest] = successes;
    if (!oldest || wasHeldUp) return;
    const ageMs = sentAt - oldest.resultAt!;
    if (ageMs > UNRECORDED_FOR_MS)
      throw new Violation(
        `unrecorded: ${eventId} was sent while ${oldest.eventId} had been unrecorded for ${ageMs} ms`,
        eventId,
      );
  }

  #partitionOf({ eventId }: Exchange): number {
    return this.#partitions.get(eventId)!;
  }

  #unrecordedOf(consumer: string): Exchange[] {
    let successes = this.#unrecorded.get(consumer);
    if (!successes) this.#unrecorded.set(consumer, (successes = []));
    return successes;
  }

  #seenBy({ consumer, endpoint }: Pick<Exchange, 'consumer' | 'endpoint'>): Seen {
    const key = `${consumer} ${endpoint}`;
    let seen = this.#seen.get(key);
    if (!seen) {
      seen = { inFlight: 0, failedLanes: new Set(), lastSuccessAt: -Infinity, shutAt: null, probe: null };
      this.#seen.set(key, seen);
    }
    return seen;
  }
}

function isCounted({ result }: Exchange): boolean {
  if (result?.kind === 'response') return result.statusCode < 200 || result.statusCode >= 300;
  return result?.kind === 'failed' && result.errorClass !== 'aborted' && result.errorClass !== 'blocked_target';
}
