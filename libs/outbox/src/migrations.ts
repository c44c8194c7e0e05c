// The outbox's migrations. A domain service's database can hold them alone; nothing here knows the delivery side.
import { catalogue } from '#events';
import type { MigrationClass, MigrationInterface, QueryRunner } from '#database';
import { healingDownSql, healingSql } from './healing-schema.ts';
import { isNameSql, publishEventSql, uuidSql } from './publish-schema.ts';
import { schemaSql, shardSql } from './schema.ts';
import { wantedSql } from './wanted-schema.ts';

/** The migrations of the schema `outbox`. `shards` (1 to 64) is fixed by the first run; later values are ignored. */
export function outboxMigrations(options: { shards: number }): MigrationClass[] {
  if (!Number.isInteger(options.shards) || options.shards < 1 || options.shards > 64) {
    throw new RangeError(`shards must be a whole number from 1 to 64, not ${options.shards}`);
  }
  class Outbox1766000000000 implements MigrationInterface {
    name = 'Outbox1766000000000';
    async up(runner: QueryRunner): Promise<void> {
      await runner.query(schemaSql);
      await runner.query(shardSql(options.shards));
      await runner.query(wantedSql);
      await runner.query(uuidSql);
      await runner.query(isNameSql);
      await runner.query(publishEventSql);
    }
    async down(runner: QueryRunner): Promise<void> {
      await runner.query('DROP SCHEMA outbox CASCADE');
    }
  }
  class OutboxHealing1766100000000 implements MigrationInterface {
    name = 'OutboxHealing1766100000000';
    async up(runner: QueryRunner): Promise<void> {
      await runner.query(healingSql);
    }
    async down(runner: QueryRunner): Promise<void> {
      await runner.query(healingDownSql);
    }
  }
  return [Outbox1766000000000, OutboxHealing1766100000000];
}

/** Brings `outbox.event_type` in line with the catalogue; safe to repeat. Part of every migrate run. */
export async function seedEventTypes(db: { query(text: string, values: unknown[]): Promise<unknown> }): Promise<void> {
  await db.query(
    `INSERT INTO outbox.event_type AS t (event_type, ordering) SELECT * FROM unnest($1::text[], $2::text[])
     ON CONFLICT (event_type) DO UPDATE SET ordering = excluded.ordering WHERE t.ordering <> excluded.ordering`,
    [catalogue.map((entry) => entry.type), catalogue.map((entry) => entry.ordering)],
  );
}
