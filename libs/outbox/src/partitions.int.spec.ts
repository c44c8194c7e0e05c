// Outbox partitions: made ahead, and dropped only when they are old and nothing in them waits to be published.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPool, listTimePartitions, type Pool } from '#database';
import { runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { dropPublishedPartitions, ensureOutboxPartitions, outboxMigrations } from './index.ts';

const migrate = (url: string) => runMigrations(url, outboxMigrations({ shards: 2 }));
const DAY_MS = 86_400_000;
const ENDPOINT = '00000000-0000-4000-8000-00000000000a';

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate });
  pool = createPool({ url: database.url, max: 6, applicationName: 'partitions', idleInTransactionTimeoutMs: 60_000 });
  await pool.query(`INSERT INTO outbox.route VALUES ('acme', '*', '${ENDPOINT}')`);
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

let streams = 0;
/** On a stream of its own: nobody waits for anybody but for a table. */
const publish = (db: Pick<Pool, 'query'> = pool) =>
  db.query(`SELECT outbox.publish_event('acme', 's${++streams}', 'ANY', '{}', event_id => gen_random_uuid())`);
const partitionsNow = async () => (await listTimePartitions(pool, 'outbox', 'event')).map(({ name }) => name);
const markAllPublished = (shard?: number) =>
  pool.query('UPDATE outbox.shard SET prev = pg_current_snapshot() WHERE $1::int IS NULL OR shard = $1', [
    shard ?? null,
  ]);
const inPartitions = async () =>
  (await pool.query<{ n: number }>('SELECT count(*)::int AS n FROM outbox.event')).rows[0]!.n;

it('makes the partitions of the next 30 days, once, from several places at the same time', async () => {
  const made = await Promise.all([1, 2, 3].map(() => ensureOutboxPartitions(pool, Date.now())));
  const names = await partitionsNow();
  expect(names.length).toBeGreaterThanOrEqual(5);
  expect(new Set(made.flat())).toEqual(new Set(names));
  expect(await ensureOutboxPartitions(pool, Date.now())).toEqual([]);
  const last = (await listTimePartitions(pool, 'outbox', 'event')).at(-1)!;
  expect(last.to.getTime()).toBeGreaterThan(Date.now() + 30 * DAY_MS);
  await publish();
  const { rows } = await pool.query<{ at: string }>('SELECT tableoid::regclass::text AS at FROM outbox.event');
  expect(rows).toEqual([{ at: `outbox.${names[0]}` }]);
});

it('has no column of a partition analysed with more than 9,000 rows, 300 for each of its target', async () => {
  const { rows } = await pool.query<{ target: number | null }>(
    `SELECT DISTINCT a.attstattarget AS target FROM pg_inherits i JOIN pg_attribute a ON a.attrelid = i.inhrelid
      WHERE i.inhparent = 'outbox.event'::regclass AND i.inhrelid <> 'outbox.event_default'::regclass
        AND a.attnum > 0 AND NOT a.attisdropped`,
  );
  expect(rows).toEqual([{ target: 30 }]);
});

it('drops nothing while the retention lasts, or while one shard has not published past it', async () => {
  const longAfter = Date.now() + 100 * DAY_MS;
  expect(await dropPublishedPartitions(pool, 30, Date.now())).toEqual([]);
  await markAllPublished();
  await publish();
  const { rows } = await pool.query<{ shard: number }>('SELECT shard FROM outbox.event ORDER BY id DESC LIMIT 1');
  await markAllPublished(1 - rows[0]!.shard);
  const [first, ...empty] = await partitionsNow();
  // Those without rows go; the one with an event that waits stays.
  expect(await dropPublishedPartitions(pool, 30, longAfter)).toEqual(empty);
  expect(await partitionsNow()).toContain(first);
  expect(await inPartitions()).toBe(2);
  await markAllPublished();
  expect(await dropPublishedPartitions(pool, 30, longAfter)).toEqual([first]);
  expect(await inPartitions()).toBe(0);
});

it('does not drop what a transaction has written that is still open, and keeps nobody waiting for it', async () => {
  await ensureOutboxPartitions(pool, Date.now());
  const writer = await pool.connect();
  await writer.query('BEGIN');
  await publish(writer);
  await markAllPublished();
  const longAfter = Date.now() + 100 * DAY_MS;
  const [first] = await partitionsNow();
  const startedAt = performance.now();
  const dropping = dropPublishedPartitions(pool, 30, longAfter);
  const others = publish();
  expect(await dropping).not.toContain(first);
  await others;
  expect(performance.now() - startedAt).toBeLessThan(5_000);
  await writer.query('COMMIT');
  writer.release();
  // Committed, and not published.
  expect(await dropPublishedPartitions(pool, 30, longAfter)).not.toContain(first);
  expect(await inPartitions()).toBe(2);
  await markAllPublished();
  expect(await dropPublishedPartitions(pool, 30, longAfter)).toContain(first);
});

it('does not drop what commits between the look and the drop', async () => {
  await ensureOutboxPartitions(pool, Date.now());
  const writer = await pool.connect();
  await writer.query('BEGIN');
  await publish(writer);
  await markAllPublished();
  const [first] = await partitionsNow();
  const dropping = dropPublishedPartitions(pool, 30, Date.now() + 100 * DAY_MS);
  // The drop waits for this transaction's lock by now, or will.
  const waits = async () =>
    (await pool.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
      .rows.length > 0;
  for (let look = 0; look < 200 && !(await waits()); look++);
  await writer.query('COMMIT');
  writer.release();
  expect(await dropping).not.toContain(first);
  expect(await inPartitions()).toBe(1);
  await markAllPublished();
});

it('forgets given event ids after the retention', async () => {
  await publish();
  const keys = async () => (await pool.query('SELECT FROM outbox.event_key')).rows.length;
  expect(await keys()).toBeGreaterThan(0);
  await dropPublishedPartitions(pool, 30, Date.now());
  expect(await keys()).toBeGreaterThan(0);
  await dropPublishedPartitions(pool, 30, Date.now() + 31 * DAY_MS);
  expect(await keys()).toBe(0);
});

it('goes on making partitions when rows have gone to the default one meanwhile', async () => {
  await markAllPublished();
  await dropPublishedPartitions(pool, 1, Date.now() + 100 * DAY_MS);
  expect(await partitionsNow()).toEqual([]);
  await publish();
  const made = await ensureOutboxPartitions(pool, Date.now());
  expect(made.length).toBeGreaterThanOrEqual(4);
  expect(await inPartitions()).toBe(1);
  await publish();
  expect(await inPartitions()).toBe(2);
  expect(await ensureOutboxPartitions(pool, Date.now() + 7 * DAY_MS)).toHaveLength(1);
});
