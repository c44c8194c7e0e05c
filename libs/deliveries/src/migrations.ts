// The delivery side's migrations, and the upkeep of its time partitions.
import {
  dropTimePartitions,
  ensureTimePartitions,
  type MigrationClass,
  type MigrationInterface,
  type Pool,
  type Queryable,
  type QueryRunner,
} from '#database';
import { readingIndexesSql } from './reading-indexes.ts';
import { schemaSql, searchIndexesSql } from './schema.ts';

class Deliveries1766000000002 implements MigrationInterface {
  name = 'Deliveries1766000000002';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(schemaSql);
    await runner.query(searchIndexesSql);
    await runner.query(readingIndexesSql);
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE waybill.operator_command, waybill.attempt, waybill.delivery_history, waybill.delivery,
      waybill.lane, waybill.partition_owner, waybill.setting`);
  }
}

/** What heals losses: lanes that miss a record are found by an index, and the reconciler may say that an event is lost. */
class DeliveriesHealing1766100000002 implements MigrationInterface {
  name = 'DeliveriesHealing1766100000002';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE INDEX lane_gap ON waybill.lane (endpoint_id, stream_id) WHERE reason = 'gap';
      ALTER TABLE waybill.operator_command DROP CONSTRAINT operator_command_kind_check,
        ADD CONSTRAINT operator_command_kind_check CHECK (kind IN ('retry', 'skip', 'event_lost'))`);
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`
      DROP INDEX waybill.lane_gap;
      DELETE FROM waybill.operator_command WHERE kind = 'event_lost';
      ALTER TABLE waybill.operator_command DROP CONSTRAINT operator_command_kind_check,
        ADD CONSTRAINT operator_command_kind_check CHECK (kind IN ('retry', 'skip'))`);
  }
}

/** A clean hand-over must not hide that the owner before it died: what that one sent may still be without a record. */
class DeliveriesUncleanTakeover1766100000003 implements MigrationInterface {
  name = 'DeliveriesUncleanTakeover1766100000003';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      ALTER TABLE waybill.partition_owner ADD unclean_epoch bigint NOT NULL DEFAULT 0, ADD unclean_at timestamptz`);
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE waybill.partition_owner DROP unclean_epoch, DROP unclean_at');
  }
}

export const deliveriesMigrations: MigrationClass[] = [
  Deliveries1766000000002,
  DeliveriesHealing1766100000002,
  DeliveriesUncleanTakeover1766100000003,
];

/** Makes the partitions of history and attempts ahead of time; part of migrate and of the consumer's upkeep. */
export async function ensureDeliveryPartitions(db: Queryable, nowMs: number): Promise<string[]> {
  const made: string[] = [];
  for (const table of ['delivery_history', 'attempt']) {
    made.push(
      ...(await ensureTimePartitions(db, { schema: 'waybill', table, column: 'enqueued_at', nowMs, pastDays: 35 })),
    );
  }
  return made;
}

/** Drops the history and the attempts of events older than the retention. Open deliveries are kept, however old. */
export async function dropOldHistory(pool: Pool, retentionDays: number, nowMs: number): Promise<string[]> {
  const before = new Date(nowMs - retentionDays * 86_400_000);
  const dropped: string[] = [];
  for (const table of ['delivery_history', 'attempt']) {
    dropped.push(...(await dropTimePartitions(pool, { schema: 'waybill', table, before })));
  }
  return dropped;
}

/**
 * Stores the number of Kafka partitions at the first call and makes a `partition_owner` row for each. A later call with
 * another number throws: streams would move between owners.
 */
export async function fixTopicPartitions(db: Queryable, partitions: number): Promise<void> {
  await db.query(`INSERT INTO waybill.setting VALUES ('topic_partitions', $1) ON CONFLICT DO NOTHING`, [
    String(partitions),
  ]);
  const fixed = await getTopicPartitions(db);
  if (fixed !== partitions) {
    throw new Error(
      `WAYBILL_TOPIC_PARTITIONS is ${partitions}, but this database was set up for ${fixed}: streams would move between ` +
        `owners. Set it to ${fixed}.`,
    );
  }
  await db.query(
    'INSERT INTO waybill.partition_owner (partition) SELECT generate_series(0, $1::int - 1) ON CONFLICT DO NOTHING',
    [partitions],
  );
}

/** The number of partitions of every topic, as fixed at the first migration. */
export async function getTopicPartitions(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ value: string }>(
    `SELECT value FROM waybill.setting WHERE name = 'topic_partitions'`,
  );
  if (!rows[0]) throw new Error('waybill.setting has no topic_partitions: run `npm run migrate` first');
  return Number(rows[0].value);
}
