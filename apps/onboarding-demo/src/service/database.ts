// The sample service's database: its own schema, its own migration, beside the outbox that Waybill's migration made.
import { DataSource, type MigrationInterface, type QueryRunner } from 'typeorm';
import { ApplicationEntity, CardEntity } from './entities.ts';

class Demo1766000000000 implements MigrationInterface {
  name = 'Demo1766000000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE demo.application (
        id uuid PRIMARY KEY,
        tenant_id text NOT NULL,
        applicant text NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'approved', 'signed', 'completed', 'rejected')),
        changed_at timestamptz NOT NULL
      );
      CREATE TABLE demo.card (
        id uuid PRIMARY KEY,
        tenant_id text NOT NULL,
        user_id uuid NOT NULL,
        state text NOT NULL CHECK (state IN ('ordered', 'applied', 'active', 'locked')),
        changed_at timestamptz NOT NULL
      )`);
  }
  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE demo.card, demo.application');
  }
}

/** Opens the data source and brings the schema `demo` up to date. Its list of migrations is its own, not Waybill's. */
export async function openDemoDatabase(url: string): Promise<DataSource> {
  const source = new DataSource({
    type: 'postgres',
    url,
    applicationName: 'onboarding-demo',
    schema: 'demo',
    entities: [ApplicationEntity, CardEntity],
    migrations: [Demo1766000000000],
    migrationsTableName: 'migration',
    extra: { max: 5, connectionTimeoutMillis: 5_000 },
  });
  await source.initialize();
  try {
    // TypeORM keeps its list of migrations in the schema, so the schema comes first.
    await source.query('CREATE SCHEMA IF NOT EXISTS demo');
    await source.runMigrations();
    return source;
  } catch (error) {
    await source.destroy();
    throw error;
  }
}
