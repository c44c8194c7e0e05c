// One simulated run: the clock, the database, the log, the receivers, the consumers, and what befalls them.
import { Dice, seededRandom, SimulatedRun, Violation } from '#clock';
import type { OpenCommand } from '#deliveries';
import type { EndpointPolicy } from '#endpoints';
import { encodeRecord, type WaybillEvent } from '#events';
import type { CommitOffset } from '#kafka';
import { laneKey } from '#lane';
import { Checker } from './checker.ts';
import { Consumer, LEASE_MS, type Surroundings } from './consumer.ts';
import { DEAD_LETTER, EVENTS, Group, MemoryLog, RETRY } from './memory-log.ts';
import { MemoryDatabase } from './memory-store.ts';
import { type Exchange, isSuccess, Receivers } from './receiver.ts';
import {
  type Action,
  type Arrival,
  type Behaviour,
  type EventPlan,
  payloadOf,
  type Scenario,
  uuid,
} from './scenario.ts';

const SESSION_TIMEOUT_MS = 3_000;
/** After the last fault and the last record everything has to be done within this: twice the longest pause of a breaker or a hold. */
const REST_WITHIN_MS = 150_000;
/** Long enough for a renewal of every lease and a commit of every offset. */
const REST_FOR_MS = LEASE_MS;
const TENANT = 'tenant';

export interface Outcome {
  violation: Violation | null;
  trace: string[];
  /** Virtual ms until everything was at rest. */
  tookMs: number;
  exchanges: number;
}

/** Runs the scenario. The same scenario always ends in the same way. */
export async function simulate(scenario: Scenario): Promise<Outcome> {
  const world = new World(scenario);
  await world.run();
  return {
    violation: world.violation,
    trace: world.trace,
    tookMs: world.clock.monotonic(),
    exchanges: world.checker.exchanges.length,
  };
}

export class World extends SimulatedRun implements Surroundings {
  readonly scenario: Scenario;
  readonly dice: Dice;
  readonly database: MemoryDatabase;
  readonly log = new MemoryLog();
  readonly policies = new Map<string, EndpointPolicy>();
  readonly checker: Checker;
  readonly receivers: Receivers;
  readonly #group = new Group();
  readonly #consumers: Consumer[] = [];
  #incarnations = 0;
  #shift = 0;
  #storeHangsUntil = 0;
  #storeFails = { until: 0, share: 0 };
  #logFailsUntil = 0;
  #recordsLeft: number;

  constructor(scenario: Scenario) {
    super();
    this.scenario = scenario;
    this.dice = new Dice(seededRandom(scenario.seed + 1));
    this.database = new MemoryDatabase(this.clock, scenario.partitions);
    this.checker = new Checker(scenario, this.database);
    this.#recordsLeft = (scenario.arrivals ?? scenario.events).length;
    this.receivers = new Receivers({
      clock: this.clock,
      dice: this.dice,
      netLatencyMs: scenario.options.netLatencyMs,
      behaviourOf: (endpoint, eventId) => this.#behaviourOf(endpoint, eventId),
      onSend: (exchange) => {
        this.note(`${exchange.consumer} → ${describe(exchange)} attempt ${exchange.attempt} epoch ${exchange.epoch}`);
        this.check(() => this.checker.onSend(exchange));
      },
      onAccept: (exchange) => this.check(() => this.checker.onAccept(exchange)),
      onResult: (exchange) => {
        const { result } = exchange;
        const words = result?.kind === 'response' ? result.statusCode : result?.errorClass;
        this.note(`${exchange.consumer} ← ${describe(exchange)} ${words}`);
        this.check(() => this.checker.onResult(exchange));
      },
    });
    for (const plan of scenario.endpoints) if (plan.exists) this.policies.set(plan.id, policyOf(plan));
  }

  protected override async play(): Promise<void> {
    const { scenario, clock } = this;
    for (let index = 0; index < scenario.consumers; index++) this.#startConsumer(index);
    if (scenario.arrivals)
      for (const arrival of scenario.arrivals) clock.schedule(arrival.at, () => this.#arrive(arrival));
    else for (const event of scenario.events) clock.schedule(event.at, () => this.#publish(event));
    for (const action of scenario.actions) clock.schedule(action.at, () => this.#act(action));
    clock.schedule(scenario.healAt, () => this.#heal());
    if (scenario.events.some(({ isLost }) => isLost)) this.#reconcile();
    const endAt = 2 * scenario.healAt + REST_WITHIN_MS;
    for (let restedMs = 0; !this.violation && restedMs < REST_FOR_MS && clock.monotonic() < endAt;) {
      await this.advance(500);
      restedMs = this.#isAtRest() ? restedMs + 500 : 0;
    }
    if (!this.violation) this.check(() => this.#judge());
    for (const consumer of this.#consumers) consumer.kill();
    await this.advance(1);
  }

  #isAtRest(): boolean {
    const isOver =
      this.clock.monotonic() > Math.max(this.scenario.healAt, this.#storeHangsUntil) && this.#recordsLeft === 0;
    return isOver && this.#consumers.every(({ life }) => life.isRunning) && this.#unfinished() === null;
  }

  #unfinished(): { what: string; about: string[] } | null {
    for (let partition = 0; partition < this.scenario.partitions; partition++) {
      const end = this.log.records(EVENTS, partition).length;
      const committed = this.log.committed(EVENTS, partition);
      if (committed !== end)
        return { what: `partition ${partition} is committed to ${committed} of ${end}`, about: [] };
    }
    return this.checker.unfinished();
  }

  #judge(): void {
    const unfinished = this.#unfinished();
    if (unfinished) throw new Violation(`not at rest: ${unfinished.what}`, ...unfinished.about);
    this.checker.checkEnd(this.log);
    this.#checkConflicts();
    for (const { name, dispatcher, life } of this.#consumers) {
      if (life.isDead) continue;
      const left = {
        inFlight: dispatcher.inFlight,
        buffered: dispatcher.bufferedDeliveries,
        records: dispatcher.bufferedRecords,
      };
      if (Object.values(left).some((count) => count !== 0))
        throw new Violation(`${name} keeps ${JSON.stringify(left)}`);
    }
  }

  // ── the log ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #publish(event: EventPlan): void {
    if (event.isLost && event.lateMs === 0) return void this.#recordsLeft--;
    this.clock.schedule(event.lateMs, () => {
      this.#append(event, event.id);
      this.#recordsLeft--;
      if (event.conflictId !== null)
        this.clock.schedule(this.dice.between(0, 3_000), () => this.#append(event, event.conflictId!));
      const records = this.log.records(EVENTS, event.partition);
      for (const record of records.slice(-event.repeats).slice(0, event.repeats))
        this.log.append(EVENTS, event.partition, record);
    });
  }

  #arrive({ partition, record }: Arrival): void {
    const offset = this.log.append(EVENTS, partition, record);
    this.#recordsLeft--;
    this.checker.enqueued(String(record.headers['ce_id']), Date.parse(String(record.headers['waybill-enqueued-at'])));
    this.note(`log ${partition}/${offset}: ${String(record.key)} ${String(record.headers['ce_id'])}`);
  }

  #append(plan: EventPlan, eventId: string): void {
    const enqueuedAt = this.clock.now() - (plan.ageMs ?? 0);
    this.checker.enqueued(plan.id, enqueuedAt);
    const instant = new Date(enqueuedAt).toISOString();
    const event: WaybillEvent = {
      eventId,
      type: plan.type,
      tenantId: TENANT,
      streamId: plan.stream,
      occurredAt: instant,
      enqueuedAt: instant.replace('Z', '000Z'),
      targets: plan.targets.map(({ endpoint, sequence }) => ({ endpointId: endpoint, sequence })),
      payload: Buffer.from(payloadOf(eventId)),
      ...(plan.hasPayloadFault ? { payloadFault: '/: simulated' } : {}),
    };
    const offset = this.log.append(EVENTS, plan.partition, encodeRecord(event, 1));
    const targets = plan.targets.map(({ endpoint, sequence }) => `${endpoint}#${sequence}`).join(' ');
    this.note(`log ${plan.partition}/${offset}: ${plan.stream} ${eventId} for ${targets}`);
  }

  /** Tickets may be lost or doubled. */
  ticket(topic: string, partition: number, record: Parameters<MemoryLog['append']>[2]): void {
    const { ticketLoss, ticketDouble } = this.scenario.options;
    if (this.dice.chance(ticketLoss)) return;
    this.log.append(topic, partition, record);
    if (this.dice.chance(ticketDouble)) this.log.append(topic, partition, record);
  }

  commitOffsets({ member, name }: Consumer, offsets: readonly CommitOffset[]): void {
    if (!this.#group.accepts(member)) return;
    for (const { topic, partition, offset } of offsets) {
      if (!member.partitions.includes(partition)) continue;
      const from = this.log.committed(topic, partition);
      this.log.commit({ topic, partition, offset });
      if (topic === EVENTS) this.check(() => this.#checkCommit(name, partition, from, offset));
    }
  }

  #checkCommit(name: string, partition: number, from: number, to: number): void {
    const where = `${name} committed ${partition}/${to}`;
    if (to > this.log.records(EVENTS, partition).length) throw new Violation(`${where}: beyond the end`);
    for (const record of this.log.records(EVENTS, partition).slice(from, to)) {
      const id = record.headers['ce_id'];
      const plan = this.scenario.events.find((event) => event.id === id);
      if (plan) this.checker.checkDurable(plan, () => `${where} over ${record.offset}`);
      else if (id === undefined) this.#checkDeadLettered(where, partition, record.offset);
    }
  }

  /** What claims a sequence that is taken must not vanish. A dead letter may be lost with its process, the halt may not. */
  #checkConflicts(): void {
    if (this.scenario.actions.some(({ kind }) => ['crash', 'pause', 'steal_leases', 'store_hangs'].includes(kind)))
      return;
    const partitions = Array.from({ length: this.scenario.partitions }, (_, partition) => partition);
    const letters = partitions.flatMap((partition) => this.log.records(DEAD_LETTER, partition));
    const noticed = new Set(
      letters
        .filter(({ headers }) => headers['waybill-reason'] === 'sequence_conflict')
        .map(({ headers }) => headers['ce_id']),
    );
    for (const { conflictId, stream } of this.scenario.events)
      if (conflictId !== null && !noticed.has(conflictId))
        throw new Violation(`conflict: nobody noticed ${conflictId} in ${stream}`, stream);
  }

  #checkDeadLettered(where: string, partition: number, offset: number): void {
    const letters = this.log.records(DEAD_LETTER, partition);
    if (!letters.some(({ headers }) => headers['waybill-offset'] === String(offset)))
      throw new Violation(`${where}: the unreadable record ${offset} is nowhere`);
  }

  // ── the group ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #startConsumer(index: number): void {
    const consumer = new Consumer(this, `consumer-${index}.${this.#incarnations++}`);
    this.#consumers[index] = consumer;
    consumer.start().catch((error: unknown) => consumer.life.isDead || this.fail(error));
  }

  joined(consumer: Consumer): void {
    this.note(`${consumer.name} joins`);
    this.#rebalance();
  }

  /** Eager, as kafkajs does it: everybody joins anew, and hears of it when they get to it. */
  #rebalance(): void {
    const members = this.#consumers.filter(({ life }) => life.isRunning);
    const shares = new Map(members.map(({ member }) => [member, [] as number[]]));
    for (let partition = 0; partition < this.scenario.partitions && members.length > 0; partition++)
      shares.get(members[(partition + this.#shift) % members.length]!.member)!.push(partition);
    this.#group.assign(shares);
    for (const consumer of members) this.#tellAssignment(consumer);
  }

  #tellAssignment({ life, member, name }: Consumer): void {
    const { generation } = this.#group;
    life.schedule(this.dice.between(1, 300), () => {
      if (generation !== this.#group.generation) return;
      this.note(`${name} is assigned ${this.#group.of(member).join(', ') || 'nothing'}`);
      member.join(generation, this.#group.of(member));
    });
  }

  rejoin(consumer: Consumer, reason: string): void {
    this.note(`${consumer.name} rejoins: ${reason}`);
    consumer.life.schedule(1, () => this.#rebalance());
  }

  // ── faults ────────────────────────────────────────────────────────────────────────────────────────────────────────

  storeDelayMs(): number {
    const hangMs = Math.max(0, this.#storeHangsUntil - this.clock.monotonic());
    return hangMs + this.dice.between(0, this.scenario.options.storeLatencyMs);
  }

  storeFails(): boolean {
    return this.clock.monotonic() < this.#storeFails.until && this.dice.chance(this.#storeFails.share);
  }

  logFails(): boolean {
    return this.clock.monotonic() < this.#logFailsUntil && this.dice.chance(0.5);
  }

  #act(action: Action): void {
    this.note(`FAULT ${JSON.stringify(action)}`);
    const now = this.clock.monotonic();
    switch (action.kind) {
      case 'crash':
        return this.#crash(action.consumer, action.restartMs);
      case 'pause':
        return this.#pause(this.#consumers[action.consumer]!, action.forMs);
      case 'shutdown':
        return this.#shutDown(action.consumer, action.restartMs);
      case 'rebalance':
        this.#shift += action.shift;
        return this.#rebalance();
      case 'store_fails':
        this.#storeFails = { until: now + action.forMs, share: action.share };
        return;
      case 'store_hangs':
        this.#storeHangsUntil = now + action.forMs;
        return;
      case 'log_fails':
        this.#logFailsUntil = now + action.forMs;
        return;
      case 'steal_leases':
        for (const owner of this.database.owners.values())
          Object.assign(owner, {
            holder: 'somebody else',
            epoch: owner.epoch + 1,
            leaseUntil: this.database.now() + 500,
          });
        return;
      case 'endpoint_paused': {
        const { id } = this.scenario.endpoints[action.endpoint]!;
        this.changeEndpoint(id, { enabled: false }, 'operator');
        return void this.clock.schedule(action.forMs, () => this.changeEndpoint(id, { enabled: true }, 'operator'));
      }
      case 'endpoint_deleted':
        return this.changeEndpoint(this.scenario.endpoints[action.endpoint]!.id, { deleted: true }, 'operator');
      case 'command':
        return this.#randomCommand(action.command, action.pick, action.isStale);
      case 'garbage':
        return void this.log.append(EVENTS, action.partition, { key: 'stream-1', value: null, headers: {} });
    }
  }

  #crash(index: number, restartMs: number): void {
    const consumer = this.#consumers[index]!;
    if (consumer.life.isDead) return;
    consumer.kill();
    this.clock.schedule(Math.min(restartMs, SESSION_TIMEOUT_MS), () => this.#rebalance());
    this.clock.schedule(restartMs, () => this.#startConsumer(index));
  }

  #pause(consumer: Consumer, forMs: number): void {
    consumer.life.pause();
    const isOut = forMs > SESSION_TIMEOUT_MS;
    if (isOut) this.clock.schedule(SESSION_TIMEOUT_MS, () => this.#rebalance());
    this.clock.schedule(forMs, () => {
      this.note(`${consumer.name} runs again`);
      consumer.life.resume();
      if (consumer.life.isRunning && !this.#group.accepts(consumer.member)) this.#rebalance();
    });
  }

  #shutDown(index: number, restartMs: number): void {
    const consumer = this.#consumers[index]!;
    if (consumer.life.isDead) return;
    const ended = () => {
      if (consumer.life.isDead) return;
      this.note(`${consumer.name} has ended`);
      consumer.kill();
      this.#rebalance();
      this.clock.schedule(restartMs, () => this.#startConsumer(index));
    };
    consumer.dispatcher.drain().then(ended, (error: unknown) => this.fail(error));
  }

  changeEndpoint(id: string, change: Partial<EndpointPolicy>, reason: string): void {
    const policy = this.policies.get(id);
    if (!policy) return;
    this.note(`${id} becomes ${JSON.stringify(change)}: ${reason}`);
    const changed = { ...policy, ...change, revision: policy.revision + 1 };
    this.policies.set(id, changed);
    this.checker.endpointChanged(id, changed.deleted || !changed.enabled);
  }

  #behaviourOf(endpoint: string, eventId: string): Behaviour {
    const now = this.clock.monotonic();
    if (now >= this.scenario.healAt) return 'ok';
    if (this.scenario.events.find(({ id }) => id === eventId)?.isPoison) return 'error';
    const plan = this.scenario.endpoints.find(({ id }) => id === endpoint)!;
    const window = plan.windows.find(({ from, to }) => now >= from && now < to);
    return window && this.dice.chance(window.share) ? window.behaviour : 'ok';
  }

  // ── the operator ──────────────────────────────────────────────────────────────────────────────────────────────────

  #heal(): void {
    this.note('everything works from here');
    this.#tendHalted();
  }

  /** What a lane misses and nobody can publish again is declared lost: its owner halts the lane, and an operator decides. */
  #reconcile(): void {
    for (const { stream, targets } of this.scenario.events.filter(({ isLost }) => isLost))
      for (const { endpoint, sequence } of targets) {
        const lane = this.database.lanes.get(laneKey(endpoint, stream));
        const isMissing = lane?.mode === 'parked' && lane.reason === 'gap' && lane.delivered + 1 === sequence;
        if (isMissing && !this.#hasOpenCommand(lane)) this.#command(lane, 'event_lost', sequence);
      }
    this.clock.schedule(2_000, () => this.#reconcile());
  }

  #hasOpenCommand({ endpointId, streamId }: { endpointId: string; streamId: string }): boolean {
    return this.database.commands.some(
      (one) => one.result === null && one.endpointId === endpointId && one.streamId === streamId,
    );
  }

  /** An operator looks at what is halted every few seconds. */
  #tendHalted(): void {
    for (const { id, enabled } of this.policies.values())
      if (!enabled) this.changeEndpoint(id, { enabled: true }, 'operator');
    for (const lane of this.database.lanes.values()) {
      if (lane.mode !== 'halted' || this.#hasOpenCommand(lane)) continue;
      const isHopeless = lane.reason === 'invalid_payload' || lane.reason === 'event_lost';
      const kind = isHopeless || this.dice.chance(0.2) ? 'skip' : 'retry';
      this.#command(lane, kind, lane.delivered + 1);
    }
    this.clock.schedule(2_000, () => this.#tendHalted());
  }

  #randomCommand(kind: 'retry' | 'skip', pick: number, isStale: boolean): void {
    const lanes = [...this.database.lanes.values()].filter(({ mode }) => isStale || mode !== 'open');
    const lane = lanes[Math.floor(pick * lanes.length)];
    if (lane) this.#command(lane, kind, lane.delivered + (isStale ? this.dice.between(0, 2) : 1));
  }

  #command(
    lane: { endpointId: string; streamId: string; partition: number },
    kind: OpenCommand['kind'],
    sequence: number,
  ): void {
    const { endpointId, streamId, partition } = lane;
    const id = uuid('d', this.database.commands.length);
    this.note(`operator: ${kind} ${laneKey(endpointId, streamId)} ${sequence}`);
    this.database.commands.push({
      id,
      endpointId,
      streamId,
      partition,
      kind,
      sequence,
      reason: 'simulated',
      requestedBy: 'operator',
      requestedAt: this.clock.now(),
      result: null,
    });
    this.ticket(RETRY, partition, {
      key: streamId,
      value: Buffer.from(JSON.stringify({ kind: 'command', endpointId, streamId })),
      headers: {},
    });
  }
}

function describe(exchange: Exchange): string {
  return `${exchange.endpoint} ${exchange.stream} #${exchange.sequence} ${exchange.eventId}${isSuccess(exchange) ? ' ✓' : ''}`;
}

function policyOf(plan: Scenario['endpoints'][number]): EndpointPolicy {
  return {
    id: plan.id,
    tenantId: TENANT,
    url: Receivers.url(plan.id),
    format: 'signed-json',
    secret: 'a secret that is long enough to sign with',
    secretEncoding: 'utf8',
    timeoutMs: 2_000,
    maxRetries: plan.maxRetries,
    initialDelayMs: 100,
    maxDelayMs: 2_000,
    successStatus: '2xx',
    onExhausted: plan.onExhausted,
    maxConcurrency: plan.maxConcurrency,
    enabled: true,
    deleted: false,
    revision: 1,
  };
}
