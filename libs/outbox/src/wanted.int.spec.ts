// outbox.wanted says what the routes say, whatever changes them and whoever does it at the same time.
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { seededRandom } from '#clock';
import { createPool, type Pool } from '#database';
import { runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { outboxMigrations, seedEventTypes } from './index.ts';

const migrate = (url: string) => runMigrations(url, outboxMigrations({ shards: 2 }));
const SEED = 20_260_301;
const endpoint = (n: number) => `00000000-0000-4000-8000-0000000000${10 + n}`;

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate });
  pool = createPool({ url: database.url, max: 6, applicationName: 'wanted', idleInTransactionTimeoutMs: 60_000 });
});
beforeEach(() => pool.query('TRUNCATE outbox.route, outbox.event_type'));
afterAll(async () => {
  await pool.end();
  await database.drop();
});

/** Who gets an event of `type`, by the routes themselves. */
const fromRoutes = `
  SELECT array_agg(DISTINCT r.endpoint_id ORDER BY r.endpoint_id) AS endpoint_ids,
         coalesce((SELECT t.ordering = 'none' FROM outbox.event_type t WHERE t.event_type = $2), false) AS unordered
    FROM outbox.route r WHERE r.tenant_id = $1 AND r.event_type IN ($2, '*')`;

/** As publish_event reads it: the type's own row, or else that of all others. */
const fromWanted = `
  SELECT w.endpoint_ids, w.unordered FROM outbox.wanted w WHERE w.tenant_id = $1 AND w.event_type IN ($2, '*')
   ORDER BY w.event_type = '*' LIMIT 1`;

async function expectSame(tenants: readonly string[], types: readonly string[]): Promise<void> {
  for (const tenant of tenants) {
    for (const type of types) {
      const [routes, wanted] = await Promise.all(
        [fromRoutes, fromWanted].map((sql) => pool.query(sql, [tenant, type])),
      );
      const expected = routes!.rows[0].endpoint_ids === null ? [] : routes!.rows;
      expect(wanted!.rows, `${tenant} ${type}`).toEqual(expected);
    }
  }
}

it(`follows routes and types that come, change and go (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const [tenants, types] = [
    ['acme', 'other', 'third'],
    ['ONE', 'TWO', 'THREE'],
  ];
  const changes: (() => [string, unknown[]])[] = [
    () => [
      'INSERT INTO outbox.route VALUES ($1, $2, $3), ($1, $4, $5) ON CONFLICT DO NOTHING',
      [pick(tenants), pick([...types, '*']), endpoint(pick([0, 1, 2])), pick(types), endpoint(pick([0, 1, 2]))],
    ],
    () => ['DELETE FROM outbox.route WHERE endpoint_id = $1', [endpoint(pick([0, 1, 2]))]],
    () => ['DELETE FROM outbox.route WHERE tenant_id = $1 AND event_type = $2', [pick(tenants), pick([...types, '*'])]],
    () => [
      `UPDATE outbox.route r SET tenant_id = $1 WHERE tenant_id = $2
         AND NOT EXISTS (SELECT FROM outbox.route o WHERE o.tenant_id = $1 AND o.event_type = r.event_type AND o.endpoint_id = r.endpoint_id)`,
      [pick(tenants), pick(tenants)],
    ],
    () => [
      `INSERT INTO outbox.event_type VALUES ($1, $2) ON CONFLICT (event_type) DO UPDATE SET ordering = excluded.ordering`,
      [pick(types), pick(['stream', 'none'])],
    ],
    () => ['DELETE FROM outbox.event_type WHERE event_type = $1', [pick(types)]],
  ];
  for (let turn = 0; turn < 120; turn++) {
    await pool.query(...pick(changes)());
    await expectSame(tenants, [...types, 'UNHEARD']);
  }
});

it('keeps every change of several transactions at once', async () => {
  const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()));
  await Promise.all(
    clients.map(async (client, n) => {
      await client.query('BEGIN');
      await client.query('SELECT count(*) FROM outbox.wanted');
      await client.query('INSERT INTO outbox.route VALUES ($1, $2, $3)', ['acme', '*', endpoint(n)]);
      await client.query('COMMIT');
      client.release();
    }),
  );
  await expectSame(['acme'], ['ANY']);
  const { rows } = await pool.query<{ n: number }>('SELECT cardinality(endpoint_ids) AS n FROM outbox.wanted');
  expect(rows).toEqual([{ n: 4 }]);
});

it('keeps no publisher waiting for a change of routes that is still open', async () => {
  await seedEventTypes(pool);
  await pool.query('INSERT INTO outbox.route VALUES ($1, $2, $3)', ['acme', '*', endpoint(0)]);
  const client = await pool.connect();
  await client.query('BEGIN');
  await client.query('INSERT INTO outbox.route VALUES ($1, $2, $3)', ['acme', '*', endpoint(1)]);
  const published = await pool.query(`SELECT outbox.publish_event('acme', 's', 'ANY', '{}')`);
  await client.query('COMMIT');
  client.release();
  expect(published.rows).toHaveLength(1);
  await pool.query(`SELECT outbox.publish_event('acme', 's', 'ANY', '{}')`);
  const { rows } = await pool.query<{ targets: unknown }>('SELECT targets FROM outbox.event ORDER BY id');
  expect(rows.map((row) => row.targets)).toEqual([
    [[endpoint(0), 1]],
    [
      [endpoint(0), 2],
      [endpoint(1), 1],
    ],
  ]);
});
