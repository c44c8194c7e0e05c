// Judges a run: while requests leave and rows are written, and once everything has come to rest.
import { Violation } from '#clock';
import { laneKey } from '#lane';
import type { MemoryLog } from './memory-log.ts';
import type { MemoryDatabase } from './memory-store.ts';
import { type Exchange, isSuccess } from './receiver.ts';
import { checkAttempts, checkDeadLetters, checkStates } from './record-rules.ts';
import { RequestRules } from './request-rules.ts';
import { type EventPlan, payloadOf, type Scenario } from './scenario.ts';

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
  readonly #rules: RequestRules;
  readonly #lastAccepted = new Map<string, number>();

  constructor(scenario: Scenario, database: MemoryDatabase) {
    this.#scenario = scenario;
    this.#database = database;
    this.#rules = new RequestRules(scenario, database);
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
    const earlier = this.#of(endpoint, eventId);
    this.#rules.onSend(exchange, plan, this.#payloadOf(plan), earlier);
    if (sequence !== null && sequence > 1) this.#checkPredecessor(exchange);
    if (earlier.some((one) => one.epoch === epoch && one.attempt === exchange.attempt))
      throw new Violation(`attempt ${exchange.attempt} of ${eventId} was made twice in epoch ${epoch}`, ...about);
    if (earlier.some((one) => isSuccess(one) && (one.epoch === epoch || !this.#mayDuplicate)))
      throw new Violation(`duplicate: ${eventId} had succeeded, and no fault excuses another request`, ...about);
    this.#checkLease(exchange, plan.partition);
    const lane = `${epoch} ${laneKey(endpoint, sequence === null ? eventId : stream)}`;
    const other = this.#inFlight.get(lane);
    if (other) throw new Violation(`${eventId} was sent while ${other.eventId} of its lane was in flight`, ...about);
    this.#inFlight.set(lane, exchange);
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
    const { endpoint, eventId, stream, sequence, epoch } = exchange;
    this.#rules.onResult(exchange);
    this.#inFlight.delete(`${epoch} ${laneKey(endpoint, sequence === null ? eventId : stream)}`);
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
    if (row ? row.state === 'delivered' : !this.#database.isSkipped(endpoint, stream, sequence! - 1))
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
    for (const { id, stream, targets, isLost, lateMs } of this.#scenario.events)
      for (const { endpoint, sequence } of targets)
        if (
          !history.has(laneKey(endpoint, id)) &&
          // Of what never came there is only the operator's skip.
          !(isLost && lateMs === 0 && this.#database.isSkipped(endpoint, stream, sequence))
        )
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

  checkEnd(log: MemoryLog): void {
    const history = {
      scenario: this.#scenario,
      database: this.#database,
      exchanges: this.exchanges,
      exchangesOf: (key: string) => this.#byDelivery.get(key) ?? [],
      mayDuplicate: this.#mayDuplicate,
    };
    checkStates(history);
    checkAttempts(history);
    checkDeadLetters(history, log);
  }

  endpointChanged(id: string, isClosed: boolean): void {
    this.#rules.endpointChanged(id, isClosed);
  }

  /** The event is on the topic; it was committed at `at`, wall ms. */
  enqueued(eventId: string, at: number): void {
    this.#rules.enqueued(eventId, at);
  }

  #payloadOf({ id, payload }: EventPlan): Buffer {
    return Buffer.from(payload ?? payloadOf(id));
  }

  #of(endpoint: string, eventId: string): Exchange[] {
    const key = laneKey(endpoint, eventId);
    let exchanges = this.#byDelivery.get(key);
    if (!exchanges) this.#byDelivery.set(key, (exchanges = []));
    return exchanges;
  }
}
