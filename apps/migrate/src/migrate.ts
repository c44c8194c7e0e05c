// Brings a deployment's PostgreSQL, Kafka and schema registry to what this build needs. Safe to repeat, and from several places at once.
import { auditMigrations } from '#audit';
import { systemClock } from '#clock';
import { createPool, type Pool } from '#database';
import { runMigrations } from '#database/typeorm';
import { deliveriesMigrations, ensureDeliveryPartitions, fixTopicPartitions } from '#deliveries';
import { endpointsMigrations } from '#endpoints';
import { createKafka, ensureTopics } from '#kafka';
import { ensureOutboxPartitions, outboxMigrations, seedEventTypes } from '#outbox';
import { registerSchemas } from '#schema-registry';
import type { Logger } from '#telemetry';
import type { MigrateConfig } from './config.ts';

const DAY_MS = 86_400_000;

/** Database schemas, the catalogue's types, this period's partitions, and the number of topic partitions, fixed for ever. */
export async function migrateDatabase(
  config: Pick<MigrateConfig, 'database' | 'outbox' | 'topics'>,
): Promise<string[]> {
  const ran = await runMigrations(config.database.url, [
    ...outboxMigrations({ shards: config.outbox.shards }),
    ...endpointsMigrations,
    ...deliveriesMigrations,
    ...auditMigrations,
  ]);
  const pool = createPool({ url: config.database.url, max: 1, applicationName: 'waybill-migrate' });
  try {
    await seed(pool, config.topics.partitions);
  } finally {
    await pool.end();
  }
  return ran;
}

async function seed(pool: Pool, topicPartitions: number): Promise<void> {
  await seedEventTypes(pool);
  await ensureOutboxPartitions(pool, systemClock.now());
  await ensureDeliveryPartitions(pool, systemClock.now());
  await fixTopicPartitions(pool, topicPartitions);
}

export async function migrateTopics(
  config: Pick<MigrateConfig, 'kafka' | 'topics'>,
  logger: Logger,
): Promise<string[]> {
  const { prefix, partitions, replicationFactor } = config.topics;
  const admin = createKafka({ ...config.kafka, clientId: 'waybill-migrate', logger }).admin();
  const topic = (name: string, retentionMs: number) => ({
    name: `${prefix}.${name}`,
    partitions,
    replicationFactor,
    config: { 'retention.ms': String(retentionMs) },
  });
  try {
    return await ensureTopics(admin, {
      topics: [topic('events', 7 * DAY_MS), topic('retry', DAY_MS), topic('dead-letter', 90 * DAY_MS)],
    });
  } finally {
    await admin.disconnect();
  }
}

export async function migrateSchemas(config: Pick<MigrateConfig, 'schemaRegistry' | 'topics'>): Promise<number> {
  const registered = await registerSchemas({ url: config.schemaRegistry.url, topic: `${config.topics.prefix}.events` });
  return registered.length;
}
