// One membership of a consumer group, from connecting to leaving or crashing. It never comes back: the consumer makes a new one.
import { deferred, type Clock } from '#clock';
import type { Consumer, ConsumerCrashEvent, ConsumerGroupJoinEvent, EachBatchPayload, KafkaMessage } from 'kafkajs';
import { stickyAssigner } from './assigner.ts';
import { withDeadline } from './deadline.ts';
import { KafkaFault, toKafkaFault } from './fault.ts';
import type { Link, LinkFactory } from './link.ts';
import type { CommitOffset, ConsumedRecord, ConsumerOptions, RecordBatch } from './port.ts';
import { FetchedRecord } from './record-reader.ts';
import type { Claim } from './sticky-assignment.ts';

/** Kafka's own wait for new records. Also how long a resume, a rebalance and a stop may have to wait for the fetch loop. */
const MAX_WAIT_MS = 100;
/** Records between two pauses from which on the topics are busy. */
const BUSY_RECORDS = 16;
/** How much longer the pause of a busy topic is: 20 ms. */
const BUSY_FACTOR = 10;
const LEAVE_WITHIN_MS = 5_000;

export type MembershipOptions = Required<Omit<ConsumerOptions, 'expectedPartitions'>> &
  Pick<ConsumerOptions, 'expectedPartitions'>;

export interface MembershipEvents {
  claim: () => Claim | null;
  joined: (partitions: number[]) => void;
  generation: (generation: number) => void;
  batch: (batch: RecordBatch) => Promise<void> | void;
}

export class Membership {
  /** Settles with the fault that ended it, or with null after `leave()`. */
  readonly ended: Promise<KafkaFault | null>;
  readonly #end = deferred<KafkaFault | null>();
  readonly #options: MembershipOptions;
  readonly #clock: Clock;
  readonly #events: MembershipEvents;
  readonly #link: Link;
  readonly #consumer: Consumer;
  #live = true;
  #started: Promise<void> = Promise.resolve();
  #commits = 0;
  #lastSignAt: number;
  #recordsSincePause = 0;
  #pause: Promise<void> | null = null;
  #cancelWatch: () => void = () => undefined;

  constructor(links: LinkFactory, options: MembershipOptions, events: MembershipEvents) {
    this.ended = this.#end.promise;
    this.#options = options;
    this.#clock = links.clock;
    this.#events = events;
    this.#lastSignAt = links.clock.monotonic();
    this.#link = links.open();
    this.#consumer = this.#link.kafka.consumer({
      groupId: options.groupId,
      partitionAssigners: [stickyAssigner({ ...options, claim: events.claim })],
      allowAutoTopicCreation: false,
      minBytes: 1,
      maxWaitTimeInMs: MAX_WAIT_MS,
      maxBytes: options.maxBytesPerFetch,
      maxBytesPerPartition: options.maxBytesPerPartition,
      sessionTimeout: options.sessionTimeoutMs,
      heartbeatInterval: options.heartbeatIntervalMs,
      rebalanceTimeout: options.rebalanceTimeoutMs,
      // kafkajs restarts after some crashes only, and keeps broken state when it does.
      // More tries than elsewhere: each member that joins while we do costs one.
      retry: { retries: 8, restartOnFailure: () => Promise.resolve(false) },
    });
    this.#listen();
  }

  start(): void {
    this.#started = this.#join().catch((error: unknown) => this.#finish(toKafkaFault(error)));
    this.#watch();
  }

  /** False when kafkajs dropped the commit, as it does silently while it stops. @throws KafkaFault */
  async commit(offsets: readonly CommitOffset[]): Promise<boolean> {
    const before = this.#commits;
    const committed = this.#consumer.commitOffsets(offsets.map((o) => ({ ...o, offset: String(o.offset) })));
    await withDeadline(this.#clock, LEAVE_WITHIN_MS, committed, () => {
      throw new KafkaFault('timed_out', `the offset commit was not answered within ${LEAVE_WITHIN_MS} ms`);
    });
    return this.#commits > before;
  }

  pause(topic: string, partitions: number[]): void {
    this.#whileRunning(() => this.#consumer.pause([{ topic, partitions }]));
  }

  resume(topic: string, partitions: number[]): void {
    this.#whileRunning(() => this.#consumer.resume([{ topic, partitions }]));
  }

  /** How long ago the group's coordinator last answered. */
  silentMs(): number {
    return this.#clock.monotonic() - this.#lastSignAt;
  }

  /** Leaves the group so that others need not wait for the session to expire; bounded. */
  async leave(): Promise<void> {
    this.#live = false;
    // A stop in the middle of a join is ignored by kafkajs, which then consumes on as a ghost: let the join end first.
    const left = this.#started.then(() => this.#consumer.disconnect()).catch(() => undefined);
    await withDeadline(this.#clock, LEAVE_WITHIN_MS, left, () => undefined);
    this.#finish(null);
  }

  async #join(): Promise<void> {
    const { topics } = this.#options;
    await this.#consumer.connect();
    // From the beginning: an offset that is out of range otherwise jumps to the latest, which is silent loss.
    await this.#consumer.subscribe({ topics: [...topics], fromBeginning: true });
    await this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: true,
      partitionsConsumedConcurrently: 64,
      eachBatch: (payload) => this.#handle(payload),
    });
  }

  #listen(): void {
    const { events } = this.#consumer;
    this.#consumer.on(events.GROUP_JOIN, ({ payload }: ConsumerGroupJoinEvent) =>
      this.#joined(payload.memberAssignment),
    );
    this.#consumer.on(events.HEARTBEAT, ({ payload }) => {
      this.#sign();
      if (this.#live) this.#events.generation(payload.groupGenerationId);
    });
    this.#consumer.on(events.COMMIT_OFFSETS, () => void this.#commits++);
    this.#consumer.on(events.CRASH, ({ payload }: ConsumerCrashEvent) => this.#finish(toKafkaFault(payload.error)));
  }

  #joined(assignment: Record<string, number[]>): void {
    this.#sign();
    if (!this.#live) return;
    const [first = [], ...others] = this.#options.topics.map((topic) => sorted(assignment[topic] ?? []));
    if (others.every((partitions) => partitions.join() === first.join())) return this.#events.joined(first);
    this.#finish(new KafkaFault('assignment_mismatch', `the topics' partitions differ: ${JSON.stringify(assignment)}`));
  }

  async #handle({ batch }: EachBatchPayload): Promise<void> {
    if (!this.#live) return; // nobody is there to take it; nothing will be committed either
    const { topic, partition, messages } = batch;
    await this.#events.batch({
      topic,
      partition,
      records: messages.map(toRecord),
      highWatermark: Number(batch.highWatermark),
    });
    await this.#pace(messages.length);
  }

  /**
   * kafkajs fetches again when all handlers have settled; without a pause a busy topic is read record by record. One pause
   * for all partitions of a fetch, a longer one when it was busy before: a fetch costs each side about a millisecond of
   * processor time, as much as hundreds of records.
   */
  #pace(records: number): Promise<void> {
    this.#pause ??= this.#newPause();
    this.#recordsSincePause += records;
    return this.#pause;
  }

  #newPause(): Promise<void> {
    const isBusy = this.#recordsSincePause >= BUSY_RECORDS;
    this.#recordsSincePause = 0;
    return new Promise((resolve) => {
      this.#clock.schedule(this.#options.minFetchIntervalMs * (isBusy ? BUSY_FACTOR : 1), () => {
        this.#pause = null;
        resolve();
      });
    });
  }

  /** Between a crash and the word of it kafkajs refuses to pause and resume; the next membership is told what matters. */
  #whileRunning(step: () => void): void {
    try {
      step();
    } catch {
      // ends soon, or has ended
    }
  }

  #sign(): void {
    this.#lastSignAt = this.#clock.monotonic();
  }

  /** Ends a membership from which nothing was heard for longer than any join or session may take. */
  #watch(): void {
    const { sessionTimeoutMs, rebalanceTimeoutMs } = this.#options;
    const patienceMs = sessionTimeoutMs + rebalanceTimeoutMs + 5_000;
    this.#cancelWatch = this.#clock.schedule(sessionTimeoutMs / 2, () => {
      const silentMs = this.silentMs();
      if (silentMs < patienceMs) return this.#watch();
      this.#finish(new KafkaFault('timed_out', `no sign from the group for ${Math.round(silentMs / 1000)} s`));
    });
  }

  #finish(fault: KafkaFault | null): void {
    this.#live = false;
    this.#cancelWatch();
    this.#link.destroy();
    this.#end.resolve(fault);
  }
}

/** Of our decoder, or of kafkajs's where that had to do. */
function toRecord(message: FetchedRecord | KafkaMessage): ConsumedRecord {
  const { offset, key, value, headers, timestamp } = message;
  return {
    offset: Number(offset),
    key,
    value: value && (message instanceof FetchedRecord ? value : Buffer.from(value)),
    headers: headers ?? {},
    timestampMs: Number(timestamp),
  };
}

function sorted(partitions: readonly number[]): number[] {
  return partitions.toSorted((a, b) => a - b);
}
