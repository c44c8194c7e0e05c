// Judges a run: while requests leave and rows are written, and once everything has come to rest.
import { laneKey } from '#lane';
import type { MemoryDatabase } from './memory-store.ts';
import { type Exchange, isSuccess } from './receiver.ts';
import type { EventPlan, Scenario } from './scenario.ts';

export class Violation extends Error {
  /** Words that the trace lines of interest contain. */
  readonly about: readonly string[];

  constructor(message: string, ...about: string[]) {
    super(message);
    this.about = about;
  }
}

export class Checker {
  readonly exchanges: Exchange[] = [];
  readonly #scenario: Scenario;
  readonly #database: MemoryDatabase;
  readonly #events: Map<string, EventPlan>;
  readonly #mayDuplicate: boolean;
  /** By endpoint and event id. */
  readonly #byDelivery = new Map<string, Exchange[]>();
  /** By endpoint and stream: event id of each sequence. */
  readonly #bySequence = new Map<string, string>();
  readonly #inFlight = new Map<string, Exchange>();
  readonly #perEndpoint = new Map<string, number>();
  readonly #lastAccepted = new Map<string, number>();

  constructor(scenario: Scenario, database: MemoryDatabase) {
    this.#scenario = scenario;
    this.#database = database;
    this.#events = new Map(scenario.events.map((event) => [event.id, event]));
    const harmless = new Set([
      'shutdown',
      'rebalance',
      'log_fails',
      'endpoint_paused',
      'endpoint_deleted',
      'command',
      'garbage',
    ]);
    this.#mayDuplicate = scenario.actions.some(({ kind }) => !harmless.has(kind));
    for (const { id, stream, targets } of scenario.events)
      for (const { endpoint, sequence } of targets)
        if (sequence !== null) this.#bySequence.set(`${laneKey(endpoint, stream)} ${sequence}`, id);
  }

  // ── while it runs ─────────────────────────────────────────────────────────────────────────────────────────────────

  onSend(exchange: Exchange): void {
    const { endpoint, eventId, stream, sequence, epoch } = exchange;
    const plan = this.#events.get(eventId);
    const about = [endpoint, stream, eventId];
    if (!plan) throw new Violation(`phantom: ${eventId} was never published`, ...about);
    const target = plan.targets.find((one) => one.endpoint === endpoint);
    if (!target || target.sequence !== sequence || plan.stream !== stream)
      throw new Violation(`identity: ${eventId} was sent to ${endpoint} as ${stream} ${sequence}`, ...about);
    const earlier = this.#of(endpoint, eventId);
    if (sequence !== null && sequence > 1) this.#checkPredecessor(exchange);
    if (earlier.some((one) => one.epoch === epoch && one.attempt === exchange.attempt))
      throw new Violation(`attempt ${exchange.attempt} of ${eventId} was made twice in epoch ${epoch}`, ...about);
    if (earlier.some((one) => isSuccess(one) && (one.epoch === epoch || !this.#mayDuplicate)))
      throw new Violation(`duplicate: ${eventId} had succeeded, and no fault excuses another request`, ...about);
    this.#checkLease(exchange, plan.partition);
    const lane = `${epoch} ${laneKey(endpoint, sequence === null ? eventId : stream)}`;
    const other = this.#inFlight.get(lane);
    if (other) throw new Violation(`${eventId} was sent while ${other.eventId} of its lane was in flight`, ...about);
    const limit = this.#scenario.endpoints.find(({ id }) => id === endpoint)!.maxConcurrency;
    const here = `${exchange.consumer} ${endpoint}`;
    const inFlight = (this.#perEndpoint.get(here) ?? 0) + 1;
    if (inFlight > limit)
      throw new Violation(`${inFlight} requests in flight to ${endpoint}, limit ${limit}`, endpoint);
    this.#inFlight.set(lane, exchange);
    this.#perEndpoint.set(here, inFlight);
    this.exchanges.push(exchange);
    earlier.push(exchange);
  }

  /** R2: nothing starts after the lease, which nobody takes before it ends unless it is stolen. */
  #checkLease({ consumer, epoch, eventId, wasHeldUp }: Exchange, partition: number): void {
    const owner = this.#database.owners.get(partition)!;
    if (wasHeldUp || (owner.holder === consumer && owner.epoch === epoch)) return;
    if (this.#scenario.actions.some(({ kind }) => kind === 'steal_leases')) return;
    throw new Violation(
      `no lease: ${consumer} sends ${eventId} in epoch ${epoch}, and ${owner.holder} has ${owner.epoch}`,
      eventId,
    );
  }

  onResult(exchange: Exchange): void {
    const { consumer, endpoint, eventId, stream, sequence, epoch } = exchange;
    this.#inFlight.delete(`${epoch} ${laneKey(endpoint, sequence === null ? eventId : stream)}`);
    const here = `${consumer} ${endpoint}`;
    this.#perEndpoint.set(here, this.#perEndpoint.get(here)! - 1);
  }

  onAccept({ endpoint, eventId, stream, sequence }: Exchange): void {
    if (sequence === null) return;
    const key = laneKey(endpoint, stream);
    const last = this.#lastAccepted.get(key) ?? 0;
    const isFirst = !this.#of(endpoint, eventId).some(
      (one) => one.acceptedAt !== null && one.acceptedAt < this.#database.now(),
    );
    if (isFirst && sequence < last)
      throw new Violation(`order: ${stream} ${sequence} was first accepted after ${last}`, endpoint, stream);
    this.#lastAccepted.set(key, Math.max(last, sequence));
  }

  /** P3: s+1 is not even attempted before s is terminal, by a success that somebody saw or by a committed row. */
  #checkPredecessor({ endpoint, stream, sequence, eventId }: Exchange): void {
    const predecessor = this.#bySequence.get(`${laneKey(endpoint, stream)} ${sequence! - 1}`)!;
    if (this.#of(endpoint, predecessor).some(isSuccess)) return;
    const row = this.#database.history.get(laneKey(endpoint, predecessor));
    if (!row || row.state === 'delivered')
      throw new Violation(
        `premature start: ${stream} ${sequence} while ${sequence! - 1} is not terminal`,
        endpoint,
        stream,
        eventId,
      );
  }

  /** An offset below which everything must survive the loss of every process. */
  checkDurable(event: EventPlan, describe: () => string): void {
    for (const { endpoint, sequence } of event.targets) {
      const key = laneKey(endpoint, event.id);
      const lane = sequence === null ? undefined : this.#database.lanes.get(laneKey(endpoint, event.stream));
      const isPast = lane !== undefined && lane.delivered >= sequence!;
      if (!isPast && !this.#database.waiting.has(key) && !this.#database.history.has(key))
        throw new Violation(`${describe()}: ${event.id} is nowhere`, endpoint, event.stream, event.id);
    }
  }

  // ── at the end ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** What is still to be done, or null. */
  unfinished(): { what: string; about: string[] } | null {
    const { history, waiting, lanes, commands } = this.#database;
    for (const { id, stream, targets } of this.#scenario.events)
      for (const { endpoint } of targets)
        if (!history.has(laneKey(endpoint, id)))
          return {
            what: `${stream} ${id} at ${endpoint} is not terminal; its lane: ${JSON.stringify(lanes.get(laneKey(endpoint, stream)))}`,
            about: [endpoint, stream, id],
          };
    for (const { delivery } of waiting.values())
      return { what: `${delivery.event.eventId} still waits`, about: [delivery.endpointId, delivery.event.streamId] };
    for (const lane of lanes.values())
      if (lane.mode !== 'open')
        return {
          what: `lane ${laneKey(lane.endpointId, lane.streamId)} is ${lane.mode}`,
          about: [lane.endpointId, lane.streamId],
        };
    for (const command of commands)
      if (command.result === null)
        return { what: `command ${command.id} is open`, about: [command.endpointId, command.streamId] };
    return null;
  }

  checkEnd(): void {
    const { history, lanes } = this.#database;
    const last = new Map<string, number>();
    for (const { stream, targets } of this.#scenario.events)
      for (const { endpoint, sequence } of targets)
        if (sequence !== null) last.set(laneKey(endpoint, stream), sequence);
    for (const [key, sequence] of last)
      if (lanes.get(key)?.delivered !== sequence)
        throw new Violation(`lane ${key} stands at ${lanes.get(key)?.delivered}, not ${sequence}`, key);
    for (const [key, { delivery, state }] of history) {
      const exchanges = this.#byDelivery.get(key) ?? [];
      if (state === 'delivered' && !exchanges.some(isSuccess))
        throw new Violation(`truth: ${key} is delivered without a 2xx`, delivery.event.eventId);
      if (state !== 'delivered' && state !== 'exhausted' && exchanges.some(isSuccess) && !this.#mayDuplicate)
        throw new Violation(`truth: ${key} is ${state}, but had a 2xx`, delivery.event.eventId);
    }
    this.#checkAttempts();
  }

  /** P8: an attempt on record says what the sender was told of that very request. */
  #checkAttempts(): void {
    for (const row of this.#database.attempts.values()) {
      const key = laneKey(row.endpointId, row.event.eventId);
      const exchange = this.#byDelivery.get(key)?.find((one) => one.epoch === row.epoch && one.attempt === row.number);
      const result = exchange?.result;
      if (!result) throw new Violation(`truth: attempt ${row.number} of ${key} was never made`, row.event.eventId);
      const statusCode = result.kind === 'response' ? result.statusCode : null;
      const outcome = isSuccess(exchange)
        ? 'success'
        : result.kind === 'failed' && result.bytesSent
          ? 'unknown'
          : 'failure';
      if (row.statusCode !== statusCode || row.outcome !== outcome)
        throw new Violation(
          `truth: attempt ${row.number} of ${key} is ${row.outcome}, not ${outcome}`,
          row.event.eventId,
        );
    }
    const made = this.exchanges.length;
    if (!this.#mayDuplicate && this.#database.attempts.size !== made)
      throw new Violation(`${made} requests, but ${this.#database.attempts.size} attempts on record`);
  }

  #of(endpoint: string, eventId: string): Exchange[] {
    const key = laneKey(endpoint, eventId);
    let exchanges = this.#byDelivery.get(key);
    if (!exchanges) this.#byDelivery.set(key, (exchanges = []));
    return exchanges;
  }
}
