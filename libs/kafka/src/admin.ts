// The administration of the port: what exists, creating what is missing, and where logs and groups stand.
import type { Admin } from 'kafkajs';
import { withDeadline } from './deadline.ts';
import { KafkaFault, toKafkaFault } from './fault.ts';
import type { Link, LinkFactory } from './link.ts';
import type { LogAdmin, OffsetRange } from './port.ts';

const ADMIN_TIMEOUT_MS = 20_000;
const CREATE_TIMEOUT_MS = 10_000;

export class KafkaJsAdmin implements LogAdmin {
  readonly #links: LinkFactory;
  #connection: { link: Link; admin: Admin; ready: Promise<void> } | null = null;
  #closed = false;

  constructor(links: LinkFactory) {
    this.#links = links;
  }

  async topicPartitionCounts(topics: readonly string[]): Promise<Map<string, number | null>> {
    // Of all topics: a question for one that does not exist is an error, not an answer.
    const { topics: found } = await this.#call((admin) => admin.fetchTopicMetadata());
    const counts = new Map(found.map(({ name, partitions }) => [name, partitions.length]));
    return new Map(topics.map((topic) => [topic, counts.get(topic) ?? null]));
  }

  async brokerCount(): Promise<number> {
    const { brokers } = await this.#call((admin) => admin.describeCluster());
    return brokers.length;
  }

  createTopic(topic: Parameters<LogAdmin['createTopic']>[0]): Promise<boolean> {
    const { name, partitions, replicationFactor, config } = topic;
    const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }));
    const topics = [{ topic: name, numPartitions: partitions, replicationFactor, configEntries }];
    // Without waiting for leaders: a broker that has not heard of the topic yet would fail the call.
    return this.#call((admin) => admin.createTopics({ topics, timeout: CREATE_TIMEOUT_MS, waitForLeaders: false }));
  }

  deleteTopics(topics: readonly string[]): Promise<void> {
    return this.#call((admin) => admin.deleteTopics({ topics: [...topics], timeout: CREATE_TIMEOUT_MS }));
  }

  async deleteGroup(groupId: string): Promise<void> {
    await this.#call((admin) => admin.deleteGroups([groupId]));
  }

  async highWatermarks(topic: string): Promise<Map<number, number>> {
    return new Map([...(await this.offsetRanges(topic))].map(([partition, { high }]) => [partition, high]));
  }

  async offsetRanges(topic: string): Promise<Map<number, OffsetRange>> {
    const offsets = await this.#call((admin) => admin.fetchTopicOffsets(topic));
    return new Map(offsets.map(({ partition, low, high }) => [partition, { low: Number(low), high: Number(high) }]));
  }

  async committedOffsets(groupId: string, topic: string): Promise<Map<number, number | null>> {
    const [answer] = await this.#call((admin) => admin.fetchOffsets({ groupId, topics: [topic] }));
    const offsets = (answer?.partitions ?? []).map(({ partition, offset }) => [partition, Number(offset)] as const);
    return new Map(offsets.map(([partition, offset]) => [partition, offset < 0 ? null : offset]));
  }

  async disconnect(): Promise<void> {
    this.#closed = true;
    const connection = this.#connection;
    this.#connection = null;
    if (!connection) return;
    await withDeadline(
      this.#links.clock,
      2_000,
      connection.admin.disconnect().catch(() => undefined),
      () => undefined,
    );
    connection.link.destroy();
  }

  async #call<T>(step: (admin: Admin) => Promise<T>): Promise<T> {
    if (this.#closed) throw new KafkaFault('closed', 'the Kafka admin is closed');
    const connection = (this.#connection ??= this.#open());
    try {
      return await withDeadline(
        this.#links.clock,
        ADMIN_TIMEOUT_MS,
        connection.ready.then(() => step(connection.admin)),
        () => {
          throw new KafkaFault('timed_out', `Kafka did not answer within ${ADMIN_TIMEOUT_MS} ms`);
        },
      );
    } catch (error) {
      const fault = toKafkaFault(error);
      const isLost = fault.code === 'not_connected' || fault.code === 'timed_out';
      if (isLost && this.#connection === connection) {
        connection.link.destroy();
        this.#connection = null;
      }
      throw fault;
    }
  }

  #open(): { link: Link; admin: Admin; ready: Promise<void> } {
    const link = this.#links.open();
    const admin = link.kafka.admin();
    const ready = admin.connect();
    ready.catch(() => undefined); // awaited by the call that opened it
    return { link, admin, ready };
  }
}
