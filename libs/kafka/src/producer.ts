// The producer of the port, over kafkajs: bounded sends that only succeed when every record is acknowledged.
import { failpoint } from '#failpoint';
import { backoffMs } from '#worker';
import type { Producer, RecordMetadata, TopicMessages } from 'kafkajs';
import { withDeadline } from './deadline.ts';
import { KafkaFault, toKafkaFault } from './fault.ts';
import type { Link, LinkFactory } from './link.ts';
import type { ConnectionState, LogProducer, ProducedRecord, ProducerOptions } from './port.ts';
import { splitIntoRounds } from './rounds.ts';

const ALL_IN_SYNC_REPLICAS = -1;
/** The partition is the caller's decision; kafkajs must not have its own. */
const explicitPartition = () => (args: { message: { partition?: number } }) => args.message.partition!;

interface Connection {
  link: Link;
  producer: Producer;
  ready: Promise<void>;
}

export class KafkaJsProducer implements LogProducer {
  readonly #links: LinkFactory;
  readonly #sendTimeoutMs: number;
  readonly #maxBatchBytes: number;
  #connection: Connection | null = null;
  #fault: KafkaFault | null = null;
  #everConnected = false;
  #closed = false;
  #cancelReconnect: () => void = () => undefined;

  constructor(links: LinkFactory, options: ProducerOptions = {}) {
    this.#links = links;
    this.#sendTimeoutMs = options.sendTimeoutMs ?? 15_000;
    this.#maxBatchBytes = options.maxBatchBytes ?? 768 * 1024;
  }

  async connect(): Promise<void> {
    await this.#bounded(this.#sendTimeoutMs, () => Promise.resolve());
  }

  async send(records: readonly ProducedRecord[]): Promise<void> {
    const { clock } = this.#links;
    const deadlineAt = clock.monotonic() + this.#sendTimeoutMs;
    for (const round of splitIntoRounds(records, this.#maxBatchBytes)) await this.#sendRound(round, deadlineAt);
    await failpoint('producer.after_ack');
  }

  state(): ConnectionState {
    if (this.#closed) return { ready: false, reason: 'the Kafka producer is closed' };
    if (this.#fault) return { ready: false, reason: `Kafka producer: ${this.#fault.message}` };
    return this.#everConnected ? { ready: true } : { ready: false, reason: 'the Kafka producer has not connected yet' };
  }

  async disconnect(): Promise<void> {
    this.#closed = true;
    this.#cancelReconnect();
    const connection = this.#connection;
    this.#connection = null;
    if (!connection) return;
    const closing = connection.producer.disconnect().catch(() => undefined);
    await withDeadline(this.#links.clock, 2_000, closing, () => undefined);
    connection.link.destroy();
  }

  /**
   * Kafka's size limit is on a partition's whole batch and its answer does not say which record is to blame, so a
   * refused round is halved until it fits or one record is left.
   */
  async #sendRound(records: readonly ProducedRecord[], deadlineAt: number): Promise<void> {
    try {
      await this.#bounded(deadlineAt - this.#links.clock.monotonic(), (producer) => this.#produce(producer, records));
    } catch (error) {
      const fault = toKafkaFault(error);
      if (!fault.tooLarge) throw fault;
      if (records.length === 1) throw new RecordTooLarge(records[0]!, fault);
      const middle = records.length >>> 1;
      await this.#sendRound(records.slice(0, middle), deadlineAt);
      await this.#sendRound(records.slice(middle), deadlineAt);
    }
  }

  async #produce(producer: Producer, records: readonly ProducedRecord[]): Promise<void> {
    const acknowledged = await producer.sendBatch({
      acks: ALL_IN_SYNC_REPLICAS,
      timeout: this.#links.requestTimeoutMs,
      topicMessages: byTopic(records),
    });
    assertAcknowledged(records, acknowledged);
  }

  /** Runs a step on the connection; after a lost or silent one, the next step begins with a new one at another broker. */
  async #bounded(ms: number, step: (producer: Producer) => Promise<void>): Promise<void> {
    if (this.#closed) throw new KafkaFault('closed', 'the Kafka producer is closed');
    const connection = (this.#connection ??= this.#open());
    try {
      const done = connection.ready.then(() => step(connection.producer));
      await withDeadline(this.#links.clock, ms, done, () => {
        throw new KafkaFault('timed_out', `Kafka did not acknowledge within ${this.#sendTimeoutMs} ms`);
      });
      this.#connected();
    } catch (error) {
      const fault = toKafkaFault(error);
      if (fault.code === 'not_connected' || fault.code === 'timed_out') this.#giveUp(connection, fault);
      else if (fault.retryable) this.#fault = fault;
      throw fault;
    }
  }

  #open(): Connection {
    const link = this.#links.open(() => {
      this.#giveUp(connection, new KafkaFault('not_connected', 'the connection to Kafka was lost'));
    });
    const producer = link.kafka.producer({
      createPartitioner: explicitPartition,
      allowAutoTopicCreation: false,
      // kafkajs's own retry of a send forgets partitions whose leader moved to a broker that has answered already, and
      // reports success. One try, then: the caller repeats the whole batch, with fresh metadata.
      retry: { retries: 0 },
    });
    const connection: Connection = { link, producer, ready: producer.connect() };
    connection.ready.catch(() => undefined); // also awaited where it matters; nobody may be there by then
    return connection;
  }

  #connected(): void {
    this.#fault = null;
    this.#everConnected = true;
  }

  #giveUp(connection: Connection, fault: KafkaFault): void {
    connection.link.destroy();
    if (this.#connection !== connection) return; // replaced already, by a step that ran beside this one
    this.#connection = null;
    this.#fault = fault;
    this.#reconnectLater(1);
  }

  /** Nobody may send for a long time, but readiness must tell the truth in the meantime. */
  #reconnectLater(attempt: number): void {
    this.#cancelReconnect();
    if (this.#closed) return;
    this.#cancelReconnect = this.#links.clock.schedule(backoffMs(attempt, this.#links.random), () => {
      if (this.#closed || this.#connection) return;
      const connection = (this.#connection = this.#open());
      connection.ready.then(
        () => this.#connected(),
        (error: unknown) => {
          this.#giveUp(connection, toKafkaFault(error));
          this.#reconnectLater(attempt + 1);
        },
      );
    });
  }
}

/** The one record that Kafka refuses as too large. */
export class RecordTooLarge extends KafkaFault {
  readonly record: ProducedRecord;

  constructor(record: ProducedRecord, cause: KafkaFault) {
    super('record_too_large', `Kafka refused a record for ${record.topic}: ${cause.message}`, cause);
    this.record = record;
  }
}

/** Records are handed over as they are: kafkajs ignores their `topic`, and a copy per record would cost. */
function byTopic(records: readonly ProducedRecord[]): TopicMessages[] {
  const topics = new Map<string, ProducedRecord[]>();
  for (const record of records) {
    const messages = topics.get(record.topic);
    if (messages) messages.push(record);
    else topics.set(record.topic, [record]);
  }
  return [...topics].map(([topic, messages]) => ({ topic, messages }));
}

/** kafkajs leaves out, without a word, records for partitions that are missing from its metadata. */
function assertAcknowledged(records: readonly ProducedRecord[], acknowledged: readonly RecordMetadata[]): void {
  const done = new Set(
    acknowledged.filter(({ errorCode }) => errorCode === 0).map((ack) => `${ack.topicName}/${ack.partition}`),
  );
  const missing = records.find(({ topic, partition }) => !done.has(`${topic}/${partition}`));
  if (missing) {
    const where = `partition ${missing.partition} of ${missing.topic}`;
    throw new KafkaFault('not_acknowledged', `Kafka did not acknowledge records for ${where}: does it exist?`);
  }
}
