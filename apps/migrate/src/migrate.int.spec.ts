// Migration of database, topics and schemas: from several places at once, again, and against what is there already.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { catalogue } from '#events';
import { createKafka } from '#kafka';
import { createPool, type Pool } from '#database';
import { createLogger } from '#telemetry';
import { createTestDatabase, registryUrl, type TestDatabase, testKafka } from '#testkit';
import type { MigrateConfig } from './config.ts';
import { migrateDatabase, migrateSchemas, migrateTopics } from './migrate.ts';

const logger = createLogger('migrate', 'silent');
const kafka = testKafka();
let database: TestDatabase;
let pool: Pool;
let config: MigrateConfig;

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({ url: database.url, max: 2, applicationName: 'migrate-spec' });
  config = {
    database: { url: database.url, connections: 2 },
    kafka: { brokers: kafka.brokers, ssl: false },
    schemaRegistry: { url: registryUrl() },
    topics: { prefix: kafka.prefix(), partitions: 3, replicationFactor: 'auto' },
    outbox: { shards: 4 },
    log: { level: 'silent' },
  };
});
afterAll(async () => {
  await pool.end();
  const admin = createKafka({ ...config.kafka, clientId: 'migrate-spec', logger }).admin();
  await admin.deleteTopics(['events', 'retry', 'dead-letter'].map((name) => `${config.topics.prefix}.${name}`));
  await admin.disconnect();
  await database.drop();
});

describe('migrateDatabase', () => {
  it('brings an empty database into shape although three start at once, and finds nothing to do the second time', async () => {
    const ran = await Promise.all([1, 2, 3].map(() => migrateDatabase(config)));
    expect(new Set(ran.flat()).size).toBe(ran.flat().length);
    expect(ran.flat().length).toBeGreaterThanOrEqual(4);
    expect(await migrateDatabase(config)).toEqual([]);
    const { rows } = await pool.query('SELECT event_type FROM outbox.event_type');
    expect(rows).toHaveLength(catalogue.length);
  });

  it('keeps the number of shards and partitions of the first time', async () => {
    await migrateDatabase({ ...config, outbox: { shards: 9 } });
    const { rows } = await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM outbox.shard');
    expect(rows[0]!.n).toBe(4);
    const other = migrateDatabase({ ...config, topics: { ...config.topics, partitions: 4 } });
    await expect(other).rejects.toThrow(/4.*3|3.*4/);
  });

  it('brings a type’s ordering in line with the catalogue', async () => {
    await pool.query(`UPDATE outbox.event_type SET ordering = CASE ordering WHEN 'none' THEN 'stream' ELSE 'none' END`);
    await migrateDatabase(config);
    const { rows } = await pool.query<{ event_type: string; ordering: string }>('SELECT * FROM outbox.event_type');
    const wanted = Object.fromEntries(catalogue.map((entry) => [entry.type, entry.ordering]));
    expect(Object.fromEntries(rows.map((row) => [row.event_type, row.ordering]))).toEqual(wanted);
  });
});

describe('migrateTopics', () => {
  it('makes the three topics once, although two start at once', async () => {
    const made = await Promise.all([1, 2].map(() => migrateTopics(config, logger)));
    const names = ['events', 'retry', 'dead-letter'].map((name) => `${config.topics.prefix}.${name}`);
    expect(made.flat().toSorted()).toEqual(names.toSorted());
    expect(await migrateTopics(config, logger)).toEqual([]);
  });

  it('refuses topics with another number of partitions, naming both', async () => {
    const other = migrateTopics({ ...config, topics: { ...config.topics, partitions: 4 } }, logger);
    await expect(other).rejects.toMatchObject({
      code: 'partition_count_mismatch',
      message: expect.stringMatching(/3.*4|4.*3/),
    });
  });
});

describe('migrateSchemas', () => {
  it('registers a subject for each type and one for all others, and again without harm', async () => {
    expect(await migrateSchemas(config)).toBe(catalogue.length + 1);
    expect(await migrateSchemas(config)).toBe(catalogue.length + 1);
  });
});
