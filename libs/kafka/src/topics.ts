// Makes sure that the topics exist, durable, and with the partition count that everything else counts on.
import { type Clock, systemClock } from '#clock';
import { partitionCountMismatch } from './assigner.ts';
import { KafkaFault } from './fault.ts';
import type { KafkaClient, LogAdmin, TopicSettings } from './port.ts';

export interface EnsureTopicsOptions {
  topics: readonly TopicSettings[];
  clock?: Clock;
}

const MAX_REPLICATION = 3;
const SERVED_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 50;

/**
 * Creates what is missing and returns the names of the topics that this call created. Safe to repeat and to run at once
 * from several places; existing topics are never changed.
 * @throws KafkaFault `partition_count_mismatch` with topic, found and expected, and whatever the broker says.
 */
export async function ensureTopics(admin: LogAdmin, options: EnsureTopicsOptions): Promise<string[]> {
  const { topics, clock = systemClock } = options;
  const names = topics.map(({ name }) => name);
  const existing = await admin.topicPartitionCounts(names);
  const created: string[] = [];
  for (const topic of topics) {
    if (existing.get(topic.name) === null && (await createTopic(admin, topic))) created.push(topic.name);
  }
  const counts = await whenServed(admin, names, clock);
  for (const { name, partitions } of topics) {
    const found = counts.get(name)!;
    if (found !== partitions) throw partitionCountMismatch(name, found, partitions);
  }
  return created;
}

async function createTopic(admin: LogAdmin, topic: TopicSettings): Promise<boolean> {
  const replicationFactor =
    topic.replicationFactor === 'auto' ? Math.min(MAX_REPLICATION, await admin.brokerCount()) : topic.replicationFactor;
  const durability = {
    // With three replicas an acknowledged record is on two disks, and one broker may be away.
    'min.insync.replicas': replicationFactor >= MAX_REPLICATION ? '2' : '1',
    // A replica that lags behind must not become leader: it lacks acknowledged records.
    'unclean.leader.election.enable': 'false',
  };
  const { name, partitions } = topic;
  return admin.createTopic({ name, partitions, replicationFactor, config: { ...durability, ...topic.config } });
}

/** A broker may hear of a new topic a moment after the controller has made it, and begin to lead it a moment later. */
async function whenServed(
  admin: LogAdmin,
  names: readonly string[],
  clock: Clock,
): Promise<ReadonlyMap<string, number | null>> {
  const giveUpAt = clock.monotonic() + SERVED_WITHIN_MS;
  for (;;) {
    try {
      const counts = await admin.topicPartitionCounts(names);
      const missing = names.filter((name) => !counts.get(name));
      if (missing.length > 0) throw new KafkaFault('topic_missing', `not visible yet: ${missing.join(', ')}`);
      // Only leaders answer this.
      for (const name of names) await admin.highWatermarks(name);
      return counts;
    } catch (error) {
      if (clock.monotonic() > giveUpAt || !isComing(error)) throw error;
      await new Promise<void>((resolve) => clock.schedule(LOOK_EVERY_MS, resolve));
    }
  }
}

function isComing(error: unknown): boolean {
  return error instanceof KafkaFault && (error.code === 'topic_missing' || error.code === 'not_leader');
}

/**
 * Checks that each of `topics` has exactly `expected` partitions: with another number streams would move between owners.
 * @throws KafkaFault `topic_missing` (retryable: it may be made yet) or `partition_count_mismatch` (not retryable).
 */
export async function requirePartitions(
  kafka: KafkaClient,
  topics: readonly string[],
  expected: number,
): Promise<void> {
  const admin = kafka.admin();
  try {
    for (const [topic, found] of await admin.topicPartitionCounts(topics)) {
      if (found === null)
        throw new KafkaFault('topic_missing', `topic ${topic} does not exist: run \`npm run migrate\``);
      if (found !== expected) {
        throw new KafkaFault(
          'partition_count_mismatch',
          `topic ${topic} has ${found} partitions, WAYBILL_TOPIC_PARTITIONS is ${expected}: set it to what the topics have`,
        );
      }
    }
  } finally {
    await admin.disconnect();
  }
}
