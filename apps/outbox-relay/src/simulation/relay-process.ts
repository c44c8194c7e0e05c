// One relay process of a simulated run: the real relay, its loop and its publishing, on a simulated database and log.
import { type Clock, type Dice, ProcessLife, Violation } from '#clock';
import type { ProducedRecord } from '#kafka';
import { createMetrics, type Logger } from '#telemetry';
import { Loop } from '#worker';
import { createRelayMetrics } from '../metrics.ts';
import { createPublish } from '../publish.ts';
import { Relay } from '../relay.ts';
import type { Session } from '../session.ts';
import { ConnectionLost, type MemoryOutbox } from './memory-outbox.ts';
import { openMemorySession } from './memory-session.ts';

export const LEASE_MS = 1_500;
export const EVENTS = 'waybill.events';

/** What a relay can reach, and what it must put up with. */
export interface RelaySurroundings {
  readonly clock: Clock;
  readonly dice: Dice;
  readonly outbox: MemoryOutbox;
  readonly scenario: { partitions: number; pageSize: number; produceLatencyMs: number };
  note(text: string): void;
  fail(error: unknown): void;
  append(record: ProducedRecord): void;
  storeDelayMs(): number;
  storeFails(): boolean;
  logFails(): boolean;
}

/** What the world does to a process on purpose. */
class SimulatedFault extends Error {
  readonly code = 'SIMULATED';
  readonly retryable = true;
}

// Counters are not what a run is judged by.
const metrics = createRelayMetrics(createMetrics('simulation', '0'), async () => null);

export class RelayProcess {
  readonly name: string;
  readonly life: ProcessLife;
  readonly relay: Relay;
  readonly #world: RelaySurroundings;
  readonly #loop: Loop;
  /** Shards that a session was told it had lost: publishing them goes on no more. */
  #lost = new Set<number>();

  constructor(world: RelaySurroundings, name: string) {
    this.#world = world;
    this.name = name;
    this.life = new ProcessLife(world.clock);
    const logger = this.#logger();
    this.relay = new Relay(
      { holder: name, leaseMs: LEASE_MS, pageSize: world.scenario.pageSize, busyIntervalMs: 4, idleIntervalMs: 50 },
      { sessions: { open: () => this.#openSession() }, clock: this.life, logger, metrics },
    );
    const publish = createPublish({
      producer: { send: (records) => this.#send(records) },
      schemaIds: { idFor: async () => 1 },
      topic: EVENTS,
      partitions: world.scenario.partitions,
      metrics,
    });
    this.relay.publishWith(async (rows) => {
      const lost = rows.find(({ shard }) => this.#lost.has(shard));
      if (lost) world.fail(new Violation(`fence: ${name} publishes shard ${lost.shard}, which it knows it has lost`));
      await publish(rows);
    });
    this.#loop = new Loop({
      name: 'relay pass',
      runOnce: () => this.relay.runOnce(),
      clock: this.life,
      logger,
      random: world.dice.random,
    });
  }

  start(): void {
    this.#loop.start();
  }

  kill(): void {
    this.life.kill();
    void this.#loop.stop();
  }

  async shutDown(): Promise<void> {
    await this.#loop.stop();
    await this.relay.stop();
  }

  async #openSession(): Promise<Session> {
    await this.#wire('connect');
    this.#lost = new Set();
    const session = openMemorySession(this.#world.outbox, () => this.life.after(this.#world.storeDelayMs()));
    const call = async <T>(what: string, run: () => Promise<T>): Promise<T> => {
      await this.#wire(what);
      const result = await run();
      await this.#wire(what);
      return result;
    };
    return {
      readPage: (shards, limit) => call('readPage', () => session.readPage(shards, limit)),
      storeProgress: async (holder, leaseMs, shards) => {
        const kept = await call('storeProgress', () => session.storeProgress(holder, leaseMs, shards));
        for (const { shard } of shards) if (!kept.has(shard)) this.#lost.add(shard);
        return kept;
      },
      reportAlive: (holder, leaseMs) => call('reportAlive', () => session.reportAlive(holder, leaseMs)),
      reportGone: (holder) => call('reportGone', () => session.reportGone(holder)),
      countShards: () => call('countShards', () => session.countShards()),
      claimShards: async (...args) => {
        const claimed = await call('claimShards', () => session.claimShards(...args));
        for (const { shard } of claimed) this.#lost.delete(shard);
        return claimed;
      },
      releaseShards: (holder, shards) => call('releaseShards', () => session.releaseShards(holder, shards)),
      close: () => session.close(),
    };
  }

  /** One way of a statement: the connection may break before it, or after it. */
  async #wire(what: string): Promise<void> {
    await this.life.after(this.#world.storeDelayMs());
    if (this.#world.storeFails()) throw new SimulatedFault(`${what}: connection lost`);
  }

  /** Each partition takes its part, twice, late or not at all; what was sent arrives whatever becomes of its sender. */
  async #send(records: readonly ProducedRecord[]): Promise<void> {
    const { clock, dice, scenario } = this.#world;
    const byPartition = Map.groupBy(records, ({ partition }) => partition);
    const acknowledged = [...byPartition.values()].map((part) => {
      const arrive = (delayMs: number) =>
        clock.schedule(delayMs, () => part.forEach((record) => this.#world.append(record)));
      const delayMs = dice.between(0, scenario.produceLatencyMs);
      if (!this.#world.logFails()) {
        arrive(delayMs);
        return this.life.after(2 * delayMs);
      }
      const fault = dice.pick(['refused', 'ack lost', 'retried', 'late'] as const);
      this.#world.note(`${this.name}: a part for partition ${part[0]!.partition} is ${fault}`);
      if (fault !== 'refused') arrive(fault === 'late' ? delayMs + 1_000 : delayMs);
      // The client sends it again by itself, and that succeeds.
      if (fault === 'retried') arrive(3 * delayMs + 1);
      return this.life.after(4 * delayMs + 2).then(() => {
        if (fault !== 'retried') throw new SimulatedFault(`partition ${part[0]!.partition} did not acknowledge`);
      });
    });
    await Promise.all(acknowledged);
  }

  #logger(): Logger {
    const write = ({ error, ...fields }: { error?: unknown } & Record<string, unknown>, message: string) => {
      const isMeant = error instanceof SimulatedFault || error instanceof ConnectionLost;
      if (error !== undefined && !isMeant && !this.life.isDead) this.#world.fail(error);
      const words = Object.entries(fields).map(([name, value]) => `${name}=${String(value)}`);
      this.#world.note(`${this.name}: ${message} ${words.join(' ')}`);
    };
    const logger = { trace: write, debug: write, info: write, warn: write, error: write, fatal: write };
    return logger as unknown as Logger;
  }
}
