// Test databases on the run's real PostgreSQL.
import { Client } from 'pg';
import { expect, it } from 'vitest';
import { createTestDatabase, stackAddresses } from './index.ts';

async function migrate(url: string): Promise<void> {
  await query(
    url,
    'create table migrated (at timestamptz default clock_timestamp()); insert into migrated default values',
  );
}

async function query(url: string, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows as Record<string, unknown>[];
  } finally {
    await client.end();
  }
}

it('copies databases from a template that was migrated once, although several ask at once', async () => {
  const databases = await Promise.all([1, 2, 3].map(() => createTestDatabase({ migrate })));
  const rows = await Promise.all(databases.map(({ url }) => query(url, 'select at from migrated')));
  expect(rows[1]).toEqual(rows[0]);
  expect(rows[2]).toEqual(rows[0]);
  await query(databases[0]!.url, 'delete from migrated');
  expect(await query(databases[1]!.url, 'select at from migrated')).toHaveLength(1);
  await Promise.all(databases.map((database) => database.drop()));
});

it('begins again after a migration that failed', async () => {
  let failing = true;
  const flaky = async (url: string) => {
    await query(url, 'create table once ()');
    if (failing) throw new Error('half way');
  };
  await expect(createTestDatabase({ migrate: flaky })).rejects.toThrow('half way');
  failing = false;
  await using database = await createTestDatabase({ migrate: flaky });
  expect(await query(database.url, 'select count(*)::int as n from once')).toEqual([{ n: 0 }]);
});

it('drops the database, and complains about connections that were left open', async () => {
  const database = await createTestDatabase();
  const client = new Client({ connectionString: database.url, application_name: 'forgetful' });
  client.on('error', () => {}); // It is about to be cut.
  await client.connect();
  await expect(database.drop()).rejects.toThrow(/connections left open to test_\w+: forgetful \(idle/);
  const server = stackAddresses().DATABASE_URL;
  expect(await query(server, `select 1 from pg_database where datname = '${database.name}'`)).toEqual([]);
  await client.end().catch(() => {});
});

it('runs on a server that loses nothing it has committed', async () => {
  const settings = ['fsync', 'full_page_writes', 'synchronous_commit'].map((name) => `current_setting('${name}')`);
  const rows = await query(stackAddresses().DATABASE_URL, `select concat_ws(' ', ${settings.join(', ')}) as settings`);
  expect(rows).toEqual([{ settings: 'on on on' }]);
});
