// What PostgreSQL makes of a row's texts on their way out: none of them changes by a character.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPool, type Pool } from '#database';
import { runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { outboxMigrations, type OutboxRow, readPage } from './index.ts';

const ENDPOINT = '00000000-0000-4000-8000-00000000000a';
let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate: (url) => runMigrations(url, outboxMigrations({ shards: 1 })) });
  pool = createPool({ url: database.url, max: 1, applicationName: 'rows' });
  await pool.query(`INSERT INTO outbox.route VALUES ('acme', '*', '${ENDPOINT}')`);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

async function readAll(): Promise<OutboxRow[]> {
  const beginning = { shard: 0, prev: '3:3:', floorId: 0, target: null, targetFloorId: null, lastId: 0 };
  return (await readPage(pool, [beginning], 100)).rows;
}

const publish = (payload: string, occurredAt: string) =>
  pool.query(`SELECT outbox.publish_event('acme', 'stream', 'ANY', $1::json, $2)`, [payload, occurredAt]);

it('gives instants in UTC with six decimals, whatever the session’s time zone and date style are', async () => {
  await pool.query(`SET TimeZone = 'Asia/Kathmandu'; SET DateStyle = 'German'`);
  const instants = [
    '2026-01-02T03:04:05.123456Z',
    '2026-01-02T03:04:05.120000Z',
    '2026-01-02T03:04:05.000001Z',
    '2026-12-31T23:59:59.000000Z',
    '0001-01-01T00:00:00.000000Z',
    '9999-12-31T23:59:59.999999Z',
  ];
  for (const instant of instants) await publish('{}', instant);
  const rows = await readAll();
  expect(rows.map((row) => row.occurredAt)).toEqual(instants);
  const { rows: stored } = await pool.query<{ at: string }>(
    `SELECT to_char(enqueued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS at FROM outbox.event ORDER BY id`,
  );
  expect(rows.map((row) => row.enqueuedAt)).toEqual(stored.map(({ at }) => at));
  await pool.query('RESET TimeZone; RESET DateStyle');
});

it('gives payload and targets as they were committed: spaces, order and digits of numbers', async () => {
  const payload = '{ "b" : 1.10,\n "a":12345678901234567890, "a": "Zoë 🦉 \\u0041" }';
  await publish(payload, '2026-01-02T03:04:05Z');
  expect((await readAll()).at(-1)).toMatchObject({ payload, targets: `[["${ENDPOINT}",7]]`, fillsPage: false });
});
