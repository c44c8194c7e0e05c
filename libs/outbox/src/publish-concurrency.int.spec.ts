// Many publishers at once: sequences without gaps, ids in lane order, and no deadlock whatever the target sets have in common.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { seededRandom } from '#clock';
import { createPool, type Pool, type PoolClient } from '#database';
import { runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { outboxMigrations } from './index.ts';

const migrate = (url: string) => runMigrations(url, outboxMigrations({ shards: 4 }));
const SEED = 20_260_101;
const PUBLISHERS = 8;
const TYPES = ['T0', 'T1', 'T2', 'T3'];
const endpoint = (n: number) => `00000000-0000-4000-8000-0000000000${10 + n}`;

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate });
  pool = createPool({ url: database.url, max: PUBLISHERS + 2, applicationName: 'publishers' });
  // Each type has endpoints in common with every other one, never the same set.
  for (const [n, type] of TYPES.entries()) {
    for (const e of [n, (n + 1) % 4, 4]) {
      await pool.query('INSERT INTO outbox.route VALUES ($1, $2, $3)', ['acme', type, endpoint(e)]);
    }
  }
  await pool.query('INSERT INTO outbox.route VALUES ($1, $2, $3)', ['acme', '*', endpoint(5)]);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

async function publish(client: PoolClient, stream: string, type: string): Promise<string> {
  const text = `SELECT outbox.publish_event('acme', $1, $2, '{}') AS id`;
  return (await client.query<{ id: string }>(text, [stream, type])).rows[0]!.id;
}

it(`keeps every lane gapless and in id order under commits, rollbacks and savepoints (seed ${SEED})`, async () => {
  const committed = new Set<string>();
  const publisher = async (n: number) => {
    const random = seededRandom(SEED + n);
    const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
    const client = await pool.connect();
    for (let turn = 0; turn < 40; turn++) {
      await client.query('BEGIN');
      // Several streams in one transaction: in sorted order, as the function's documentation asks.
      const streams = [...new Set([pick('abcd'.split('')), pick('abcd'.split(''))])].toSorted();
      const events: string[] = [];
      for (const stream of streams) {
        events.push(await publish(client, stream, pick(TYPES)));
        if (random() < 0.3) {
          await client.query('SAVEPOINT s');
          await publish(client, stream, pick(TYPES));
          await client.query('ROLLBACK TO s');
          if (random() < 0.5) events.push(await publish(client, stream, pick(TYPES)));
        }
      }
      const commits = random() < 0.7;
      await client.query(commits ? 'COMMIT' : 'ROLLBACK');
      if (commits) for (const id of events) committed.add(id);
    }
    client.release();
  };
  await Promise.all(Array.from({ length: PUBLISHERS }, (_, n) => publisher(n)));

  const { rows } = await pool.query<{ event_id: string; stream_id: string; targets: [string, number][] }>(
    'SELECT event_id, stream_id, targets FROM outbox.event ORDER BY id',
  );
  expect(new Set(rows.map((row) => row.event_id))).toEqual(committed);
  const lanes = new Map<string, number[]>();
  for (const { stream_id, targets } of rows) {
    for (const [endpointId, sequence] of targets) {
      const key = `${endpointId} ${stream_id}`;
      lanes.set(key, [...(lanes.get(key) ?? []), sequence]);
    }
  }
  expect(lanes.size).toBe(4 * 6);
  for (const [lane, sequences] of lanes) {
    expect(sequences, lane).toEqual(sequences.map((_, index) => index + 1));
  }
});

it('lets publishers of an unordered type pass each other on one stream', async () => {
  await pool.query(`INSERT INTO outbox.event_type VALUES ('FREE', 'none')`);
  const [first, second] = [await pool.connect(), await pool.connect()];
  await first.query('BEGIN');
  await publish(first, 'shared', 'FREE');
  // Would wait for the first transaction's end if the stream's row were locked.
  await second.query(`BEGIN; SET LOCAL lock_timeout = '2s'`);
  await publish(second, 'shared', 'FREE');
  await second.query('COMMIT');
  await first.query('ROLLBACK');
  const { rows } = await pool.query<{ targets: unknown }>(
    `SELECT targets FROM outbox.event WHERE stream_id = 'shared'`,
  );
  expect(rows).toEqual([{ targets: [[endpoint(5), null]] }]);
  const locks = await pool.query(`SELECT FROM outbox.stream WHERE stream_id = 'shared'`);
  expect(locks.rows).toEqual([]);
  first.release();
  second.release();
});

it('makes publishers of one stream wait for each other, so that ids are drawn in lane order', async () => {
  const [first, second] = [await pool.connect(), await pool.connect()];
  await first.query('BEGIN');
  const one = await publish(first, 'queue', 'T0');
  // Other target set, and a transaction id that is older than that of the event before it.
  await second.query('BEGIN');
  await second.query('SELECT pg_current_xact_id()');
  const waiting = publish(second, 'queue', 'T2');
  await first.query('COMMIT');
  const two = await waiting;
  await second.query('COMMIT');
  const { rows } = await pool.query<{ event_id: string }>(
    `SELECT event_id FROM outbox.event WHERE stream_id = 'queue' ORDER BY id`,
  );
  expect(rows.map((row) => row.event_id)).toEqual([one, two]);
  first.release();
  second.release();
});
