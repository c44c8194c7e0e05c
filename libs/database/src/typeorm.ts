// The second door of database, for processes that load TypeORM: data sources, and migrations under an advisory lock.
import { DataSource, type EntitySchema } from 'typeorm';
import type { MigrationClass } from './migration.ts';

export type { DataSource, EntityManager } from 'typeorm';

/** 'waybill' in ASCII, cut to 32 bits: the advisory lock of every migration run. */
const MIGRATION_LOCK = 0x77_61_79_62;

/** An initialised DataSource. `entities` may be empty where only migrations are wanted. */
export function openDataSource(options: {
  url: string;
  applicationName: string;
  entities?: EntitySchema[];
  migrations?: MigrationClass[];
  max?: number;
}): Promise<DataSource> {
  return new DataSource({
    type: 'postgres',
    url: options.url,
    applicationName: options.applicationName,
    entities: options.entities ?? [],
    migrations: options.migrations ?? [],
    // Named: with a role called waybill, "$user" on the search path would become the schema waybill after the first run.
    schema: 'public',
    migrationsTableName: 'waybill_migration',
    migrationsTransactionMode: 'each',
    extra: { max: options.max ?? 5, connectionTimeoutMillis: 5_000 },
  }).initialize();
}

/** Runs the pending migrations, in the order of their timestamps. Returns the names of those that ran. */
export async function runMigrations(url: string, migrations: MigrationClass[]): Promise<string[]> {
  const source = await openDataSource({ url, applicationName: 'waybill-migrate', migrations });
  const lock = source.createQueryRunner();
  try {
    await requireUtf8(source);
    await lock.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    return (await source.runMigrations()).map((migration) => migration.name);
  } finally {
    await lock.query('SELECT pg_advisory_unlock_all()').catch(() => undefined);
    await lock.release();
    await source.destroy();
  }
}

/** The committed bytes are the delivered bytes only where the database keeps text as UTF-8. */
async function requireUtf8(source: DataSource): Promise<void> {
  const [row] = await source.query<{ encoding: string; version: number }[]>(
    `SELECT pg_encoding_to_char(encoding) AS encoding, current_setting('server_version_num')::int AS version
       FROM pg_database WHERE datname = current_database()`,
  );
  if (row?.encoding !== 'UTF8') {
    throw new Error(`DATABASE_URL: the database's encoding is ${row?.encoding}; create it with ENCODING 'UTF8'`);
  }
  if (row.version < 150_000) {
    throw new Error(`DATABASE_URL: PostgreSQL ${Math.floor(row.version / 10_000)} is too old; 15 or newer is needed`);
  }
}
