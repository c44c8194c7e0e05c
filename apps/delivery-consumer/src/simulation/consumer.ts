// One consumer process of a simulated run: the real dispatcher and its real loops on simulated ports.
import { type Clock, type Dice, ProcessLife } from '#clock';
import type { EndpointPolicy } from '#endpoints';
import type { CommitOffset } from '#kafka';
import { createMetrics, type Logger } from '#telemetry';
import { Loop, retryForever } from '#worker';
import { Dispatcher } from '../dispatcher.ts';
import { defaultDispatcherOptions } from '../context.ts';
import { createConsumerMetrics } from '../metrics.ts';
import type { DeliveryStore, EndpointSource, Log } from '../ports.ts';
import { DEAD_LETTER, Member, type MemoryLog, TOPIC_PREFIX } from './memory-log.ts';
import { createMemoryStore, type MemoryDatabase } from './memory-store.ts';
import type { Receivers } from './receiver.ts';
import type { Scenario } from './scenario.ts';

/** What a process can reach, and what it must put up with. */
export interface Surroundings {
  readonly scenario: Scenario;
  readonly clock: Clock;
  readonly dice: Dice;
  readonly database: MemoryDatabase;
  readonly log: MemoryLog;
  readonly policies: ReadonlyMap<string, EndpointPolicy>;
  readonly receivers: Receivers;
  note(text: string): void;
  fail(error: unknown): void;
  joined(consumer: Consumer): void;
  rejoin(consumer: Consumer, reason: string): void;
  commitOffsets(consumer: Consumer, offsets: readonly CommitOffset[]): void;
  ticket(topic: string, partition: number, record: Parameters<MemoryLog['append']>[2]): void;
  changeEndpoint(id: string, change: Partial<EndpointPolicy>, reason: string): void;
  storeDelayMs(): number;
  storeFails(): boolean;
  logFails(): boolean;
}

export const LEASE_MS = 3_000;
const POLL_EVERY_MS = 50;

/** What the world does to a process on purpose; anything else that it logs as an error is a defect. */
class SimulatedFault extends Error {
  readonly code = 'SIMULATED';
  readonly retryable = true;
}

// Counters are not what a run is judged by, and making them anew for each process would take most of its time.
const metrics = createConsumerMetrics(createMetrics('simulation', '0'));

export class Consumer {
  readonly name: string;
  readonly life: ProcessLife;
  readonly member: Member;
  readonly dispatcher: Dispatcher;
  readonly #world: Surroundings;
  readonly #loops: Loop[];
  readonly #stopped = new AbortController();

  constructor(world: Surroundings, name: string) {
    this.#world = world;
    this.name = name;
    this.life = new ProcessLife(world.clock);
    const { life } = this;
    const { options, partitions } = world.scenario;
    const logger = this.#logger();
    this.dispatcher = new Dispatcher(
      {
        ...defaultDispatcherOptions,
        ...options,
        topicPrefix: TOPIC_PREFIX,
        leaseMs: LEASE_MS,
        flushIntervalMs: 100,
        maxInFlightPerTenant: options.maxInFlight,
        sweepIntervalMs: 2_000,
      },
      {
        store: this.#store(),
        endpoints: this.#endpoints(),
        log: this.#log(),
        sender: { send: (request) => world.receivers.send(life, name, request) },
        clock: life,
        random: world.dice.random,
        logger,
        attemptLogger: logger,
        metrics,
        isBusy: () => false,
        topicPartitions: partitions,
      },
    );
    this.member = new Member(world.log, this.dispatcher);
    const loop = (what: string, leastMs: number, runOnce: () => Promise<{ nextInMs: number }>) =>
      new Loop({
        name: what,
        runOnce: async () => ({ nextInMs: Math.max(leastMs, (await runOnce()).nextInMs) }),
        clock: life,
        logger,
        random: world.dice.random,
      });
    this.#loops = [
      loop('watch', 100, () => Promise.resolve(this.dispatcher.watch())),
      loop('flush', 0, () => this.dispatcher.flush()),
      loop('tend', 100, () => this.dispatcher.tend()),
    ];
  }

  async start(): Promise<void> {
    const { signal } = this.#stopped;
    const logger = this.#logger();
    await retryForever('the database', () => this.dispatcher.prepare(), {
      logger,
      signal,
      clock: this.life,
      random: this.#world.dice.random,
    });
    if (this.life.isDead) return;
    for (const loop of this.#loops) loop.start();
    this.#world.joined(this);
    this.#poll();
  }

  kill(): void {
    this.life.kill();
    this.#stopped.abort();
    for (const loop of this.#loops) void loop.stop();
  }

  #poll(): void {
    this.member.poll(this.#world.dice.between(1, 30));
    this.life.schedule(POLL_EVERY_MS, () => this.#poll());
  }

  /** The database at the end of a connection that may fail before a transaction, or after it. */
  #store(): DeliveryStore {
    const world = this.#world;
    const store = createMemoryStore(world.database, this.name, this.life) as unknown as Record<
      string,
      (...args: unknown[]) => Promise<unknown>
    >;
    const calls = Object.entries(store).map(([call, run]) => [
      call,
      (...args: unknown[]) => this.#overTheWire(call, () => run(...args)),
    ]);
    return Object.fromEntries(calls) as DeliveryStore;
  }

  async #overTheWire<T>(call: string, run: () => Promise<T>): Promise<T> {
    const world = this.#world;
    await this.life.after(world.storeDelayMs());
    if (world.storeFails()) throw new SimulatedFault(`${call}: connection lost before`);
    let result: T;
    try {
      result = await run();
    } catch (error) {
      world.fail(error);
      throw error;
    }
    await this.life.after(world.storeDelayMs());
    if (world.storeFails()) {
      world.note(`${this.name} never learns the outcome of ${call}`);
      throw new SimulatedFault(`${call}: connection lost after`);
    }
    return result;
  }

  #endpoints(): EndpointSource {
    const { policies } = this.#world;
    return {
      findPolicies: (ids) =>
        this.#overTheWire('findPolicies', async () =>
          ids.flatMap((id) => {
            const policy = policies.get(id);
            return policy ? [{ ...policy }] : [];
          }),
        ),
      findChanged: (knownRevision) =>
        this.#overTheWire('findChanged', async () =>
          [...policies.values()]
            .filter(({ id, revision }) => knownRevision(id) !== revision)
            .map((policy) => ({ ...policy })),
        ),
      pause: (id, reason) =>
        this.#overTheWire('pause', async () => this.#world.changeEndpoint(id, { enabled: false }, reason)),
    };
  }

  #log(): Log {
    const world = this.#world;
    const { life } = this;
    return {
      produce: async (records) => {
        await life.after(1);
        if (world.logFails()) throw new SimulatedFault('the broker is away');
        for (const { topic, partition, ...record } of records)
          if (topic === DEAD_LETTER) world.log.append(topic, partition, record);
          else world.ticket(topic, partition, record);
        await life.after(1);
        if (world.logFails()) throw new SimulatedFault('the broker did not answer');
      },
      commit: async (offsets) => {
        await life.after(1);
        world.commitOffsets(this, offsets);
      },
      pause: (partition) => this.member.pause(partition),
      resume: (partition) => this.member.resume(partition),
      rewind: (reason) => world.rejoin(this, reason),
    };
  }

  #logger(): Logger {
    const world = this.#world;
    const write = (fields: { error?: unknown } & Record<string, unknown>, message: string) => {
      const { error, ...rest } = fields;
      if (error !== undefined && !(error instanceof SimulatedFault) && !this.life.isDead) world.fail(error);
      const words = Object.entries(rest).map(([name, value]) => `${name}=${String(value)}`);
      world.note(`${this.name}: ${message} ${words.join(' ')}`);
    };
    const logger = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write };
    return logger as unknown as Logger;
  }
}
