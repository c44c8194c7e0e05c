// Checks the fence between two owners at the same moment: what one is writing, the other waits for.
import { createPool, type Pool, type PoolClient } from '#database';
import { runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase, until } from '#testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { deliveriesMigrations, fixTopicPartitions } from './migrations.ts';
import { acquirePartitions, lockOwned, releasePartitions, renewOwned } from './ownership.ts';

const migrate = async (url: string) => {
  await runMigrations(url, deliveriesMigrations);
};

const PARTITIONS = [0, 1, 2, 3];
let database: TestDatabase;
let pool: Pool;
let transaction: PoolClient;

beforeAll(async () => {
  database = await createTestDatabase({ migrate });
  pool = createPool({ url: database.url, applicationName: 'test', max: 10 });
  await fixTopicPartitions(pool, PARTITIONS.length);
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

beforeEach(async () => {
  await pool.query(`UPDATE waybill.partition_owner SET holder = NULL, epoch = 0, lease_until = '-infinity'`);
  transaction = await pool.connect();
  await transaction.query('BEGIN');
});

afterEach(async () => {
  await transaction.query('ROLLBACK');
  transaction.release();
});

/** Resolves when as many statements of this database wait for a lock. */
const waitingForLocks = (count: number) =>
  until(
    async () => {
      const { rows } = await pool.query<{ waiting: number }>(
        `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      );
      return rows[0]!.waiting === count;
    },
    { withinMs: 5_000, what: 'the successor to wait' },
  );

it('lets a successor in only when the transaction of the one before has ended', async () => {
  await acquirePartitions(pool, 'old', -1, [0]);
  expect((await lockOwned(transaction, 'old', [{ partition: 0, epoch: 1 }])).owned).toEqual(new Set([0]));
  let isAcquired = false;
  const successor = acquirePartitions(pool, 'new', 60_000, [0]).then((acquired) => {
    isAcquired = true;
    return acquired;
  });
  await waitingForLocks(1);
  expect(isAcquired).toBe(false);
  await transaction.query('COMMIT');
  expect(await successor).toMatchObject([{ partition: 0, epoch: 2, isClean: false }]);
  expect((await lockOwned(transaction, 'old', [{ partition: 0, epoch: 1 }])).owned.size).toBe(0);
});

it('gives a partition that two reach for to one of them', async () => {
  const holders = ['a', 'b', 'c', 'd', 'e'];
  const acquired = await Promise.all(holders.map((holder) => acquirePartitions(pool, holder, 60_000, PARTITIONS)));
  expect(
    acquired
      .flat()
      .map(({ partition }) => partition)
      .toSorted(),
  ).toEqual(PARTITIONS);
  expect(acquired.flat().every(({ epoch, isClean }) => epoch === 1 && isClean)).toBe(true);
});

it('leaves a lease that was renewed while the successor waited for the lock', async () => {
  await acquirePartitions(pool, 'old', -1, [0]);
  expect((await renewOwned(transaction, 'old', 60_000, [{ partition: 0, epoch: 1 }])).owned).toEqual(new Set([0]));
  const successor = acquirePartitions(pool, 'new', 60_000, [0]);
  await waitingForLocks(1);
  await transaction.query('COMMIT');
  expect(await successor).toMatchObject([]);
});

it('renews a lease that ran out when nobody took it', async () => {
  await acquirePartitions(pool, 'old', -5_000, [0]);
  expect((await renewOwned(pool, 'old', 60_000, [{ partition: 0, epoch: 1 }])).owned).toEqual(new Set([0]));
  expect(await acquirePartitions(pool, 'new', 60_000, [0])).toEqual([]);
});

it('lets several transactions of one owner share the fence', async () => {
  await acquirePartitions(pool, 'old', 60_000, [0]);
  const owned = [{ partition: 0, epoch: 1 }];
  await lockOwned(transaction, 'old', owned);
  expect((await lockOwned(pool, 'old', owned)).owned).toEqual(new Set([0]));
});

it('releases only what is still ours', async () => {
  await acquirePartitions(pool, 'old', -1, [0, 1]);
  await acquirePartitions(pool, 'new', 60_000, [1]);
  await releasePartitions(pool, 'old', [
    { partition: 0, epoch: 1 },
    { partition: 1, epoch: 1 },
  ]);
  expect(await acquirePartitions(pool, 'third', 60_000, [0, 1])).toMatchObject([
    { partition: 0, epoch: 2, isClean: true },
  ]);
});
