// The consumer of the port: one membership of the group after the other, for ever, until it is stopped.
import { backoffMs } from '#worker';
import { KafkaFault, toKafkaFault } from './fault.ts';
import { Positions } from './lag.ts';
import type { LinkFactory } from './link.ts';
import { Membership } from './membership.ts';
import type {
  CommitOffset,
  CommitResult,
  ConsumerHandlers,
  ConsumerOptions,
  ConsumerPhase,
  ConsumerState,
  LogConsumer,
  RecordBatch,
} from './port.ts';
import type { Claim } from './sticky-assignment.ts';

const DEFAULTS = {
  maxBytesPerPartition: 256 * 1024,
  maxBytesPerFetch: 1024 * 1024,
  sessionTimeoutMs: 10_000,
  heartbeatIntervalMs: 1_000,
  rebalanceTimeoutMs: 15_000,
  minFetchIntervalMs: 2,
} satisfies Partial<ConsumerOptions>;

export class KafkaJsConsumer implements LogConsumer {
  readonly #links: LinkFactory;
  readonly #options: ConsumerOptions & typeof DEFAULTS;
  readonly #positions: Positions;
  /** Per topic. Kept through a crash; at the next join, what is not assigned any more is dropped. */
  readonly #paused: ReadonlyMap<string, Set<number>>;
  #assigned: ReadonlySet<number> = new Set();
  /** Outlives the membership: who crashed and comes back in time keeps what it had. */
  #claim: Claim | null = null;
  #membership: Membership | null = null;
  #phase: ConsumerPhase = 'stopped';
  #fault: KafkaFault | null = null;
  #failures = 0;
  #rejoinFault: KafkaFault | null = null;
  #stopping = false;
  #supervision: Promise<void> | null = null;
  #cancelRest: () => void = () => undefined;

  constructor(links: LinkFactory, options: ConsumerOptions) {
    this.#links = links;
    this.#options = { ...DEFAULTS, ...options };
    this.#positions = new Positions(options.topics);
    this.#paused = new Map(options.topics.map((topic) => [topic, new Set()]));
  }

  start(handlers: ConsumerHandlers): void {
    if (this.#supervision) throw new KafkaFault('closed', 'a consumer starts only once');
    this.#supervision = this.#supervise(handlers);
  }

  async commit(offsets: readonly CommitOffset[]): Promise<CommitResult> {
    const membership = this.#membership;
    const own = offsets.filter(({ partition }) => this.#assigned.has(partition));
    if (!membership || this.#stopping || own.length === 0) return { kind: 'not_assigned' };
    try {
      if (!(await membership.commit(own))) return { kind: 'not_assigned' };
      return { kind: 'committed', skipped: offsets.filter((offset) => !own.includes(offset)) };
    } catch (error) {
      return { kind: 'failed', fault: toKafkaFault(error) };
    }
  }

  pause(topic: string, partitions: readonly number[]): void {
    for (const partition of partitions) this.#paused.get(topic)?.add(partition);
    const own = partitions.filter((partition) => this.#assigned.has(partition));
    if (own.length > 0) this.#membership?.pause(topic, own);
  }

  resume(topic: string, partitions: readonly number[]): void {
    const paused = partitions.filter((partition) => this.#paused.get(topic)?.delete(partition));
    if (paused.length > 0) this.#membership?.resume(topic, paused);
  }

  lag(): Map<string, number> {
    return this.#positions.lag();
  }

  state(): ConsumerState {
    const fault = this.#fault && { code: this.#fault.code, message: this.#fault.message };
    const rest = { phase: this.#phase, partitions: [...this.#assigned], fault };
    if (this.#phase !== 'consuming') {
      return { ready: false, reason: `Kafka consumer: ${fault?.message ?? this.#phase}`, ...rest };
    }
    const silentMs = this.#membership?.silentMs() ?? 0;
    if (silentMs <= this.#options.sessionTimeoutMs) return { ready: true, ...rest };
    return { ready: false, reason: `Kafka consumer: no heartbeat for ${Math.round(silentMs / 1000)} s`, ...rest };
  }

  rejoin(reason: string): void {
    this.#rejoinFault = new KafkaFault('rejoin_requested', reason);
    void this.#membership?.leave();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#cancelRest();
    await this.#membership?.leave();
    await this.#supervision;
  }

  async #supervise(handlers: ConsumerHandlers): Promise<void> {
    while (!this.#stopping) {
      const fault = await this.#runMembership(handlers);
      this.#assigned = new Set();
      if (this.#stopping || !fault) break;
      this.#phase = 'waiting';
      this.#fault = fault;
      const delayMs = backoffMs(++this.#failures, this.#links.random);
      // Silence after the first few: an outage lasts, and readiness tells of it all the time.
      const log = this.#failures <= 3 || !fault.retryable ? 'warn' : 'debug';
      this.#links.logger[log](
        { groupId: this.#options.groupId, code: fault.code, fault: fault.message, failures: this.#failures, delayMs },
        'left the consumer group after a fault; joining again',
      );
      handlers.onFault?.(fault);
      await this.#rest(delayMs);
    }
    this.#phase = 'stopped';
  }

  async #runMembership(handlers: ConsumerHandlers): Promise<KafkaFault | null> {
    this.#phase = 'joining';
    const membership = new Membership(this.#links, this.#options, {
      claim: () => this.#claim,
      joined: (partitions) => this.#joined(partitions, handlers),
      generation: (generation) => this.#claim && (this.#claim = { ...this.#claim, generation }),
      batch: (batch) => this.#read(batch, handlers),
    });
    this.#membership = membership;
    membership.start();
    const fault = await membership.ended;
    this.#membership = null;
    const rejoinFault = this.#rejoinFault;
    this.#rejoinFault = null;
    return fault ?? rejoinFault;
  }

  #joined(partitions: number[], handlers: ConsumerHandlers): void {
    this.#phase = 'consuming';
    this.#fault = null;
    this.#failures = 0;
    this.#assigned = new Set(partitions);
    // kafkajs does not tell the generation of a join; the next heartbeat does. Until then: later than the last one.
    this.#claim = { generation: (this.#claim?.generation ?? 0) + 1, partitions };
    this.#positions.keepOnly(this.#assigned);
    this.#restorePauses();
    this.#links.logger.info({ groupId: this.#options.groupId, partitions }, 'joined the consumer group');
    handlers.onAssignment(partitions);
  }

  #restorePauses(): void {
    for (const [topic, paused] of this.#paused) {
      const lost = [...paused].filter((partition) => !this.#assigned.has(partition));
      for (const partition of lost) paused.delete(partition);
      if (lost.length > 0) this.#membership?.resume(topic, lost);
      if (paused.size > 0) this.#membership?.pause(topic, [...paused]);
    }
  }

  async #read(batch: RecordBatch, handlers: ConsumerHandlers): Promise<void> {
    await handlers.onBatch(batch);
    const last = batch.records.at(-1);
    if (last) this.#positions.moved(batch, last.offset + 1, batch.highWatermark);
  }

  #rest(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#links.clock.schedule(delayMs, resolve);
      this.#cancelRest = () => {
        cancel();
        resolve();
      };
    });
  }
}
