// Pools and transactions on a real server: what is committed, what is not, and what becomes of a connection that breaks.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#testkit';
import {
  createPool,
  isRetryable,
  type Pool,
  sqlState,
  together,
  withOpenedTransaction,
  withTransaction,
} from './index.ts';
import type { MigrationInterface, QueryRunner } from './migration.ts';
import { openDataSource, runMigrations } from './typeorm.ts';

let database: TestDatabase;
let pool: Pool;
const idleErrors: Error[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
  pool = createPool({
    url: database.url,
    max: 3,
    applicationName: 'pool-spec',
    onIdleError: (error) => idleErrors.push(error),
  });
  await pool.query('CREATE TABLE note (text text UNIQUE)');
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

const notes = async () =>
  (await pool.query<{ text: string }>('SELECT text FROM note ORDER BY text')).rows.map((r) => r.text);
/** Runs out of patience soon. Only for what waits for that: on a busy machine anything else may take as long. */
async function withImpatientPool<T>(use: (impatient: Pool) => Promise<T>): Promise<T> {
  const bounds = { statementTimeoutMs: 300, idleInTransactionTimeoutMs: 300 };
  const impatient = createPool({ url: database.url, max: 1, applicationName: 'impatient', ...bounds });
  try {
    return await use(impatient);
  } finally {
    await impatient.end();
  }
}
const killed = (pid: number) => pool.query('SELECT pg_terminate_backend($1)', [pid]);

describe('withTransaction', () => {
  it('commits what succeeded, rolls back what threw, and gives the fault on', async () => {
    expect(
      await withTransaction(pool, async (client) => (await client.query(`INSERT INTO note VALUES ('a')`)).rowCount),
    ).toBe(1);
    const fault = new Error('no');
    const failing = withTransaction(pool, async (client) => {
      await client.query(`INSERT INTO note VALUES ('b')`);
      throw fault;
    });
    await expect(failing).rejects.toBe(fault);
    const twice = withTransaction(pool, (client) => client.query(`INSERT INTO note VALUES ('c'), ('c')`));
    await expect(twice).rejects.toMatchObject({ code: '23505' });
    expect(await notes()).toEqual(['a']);
    expect(pool.idleCount).toBe(pool.totalCount);
  });

  it('survives the loss of its connection between two statements, with a fault that is worth another try', async () => {
    const broken = await withTransaction(pool, async (client) => {
      const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await killed(rows[0]!.pid);
      await client.query(`INSERT INTO note VALUES ('lost')`);
    }).catch((error: unknown) => error);
    expect(isRetryable(broken)).toBe(true);
    expect(await notes()).toEqual(['a']);
  });

  it('is ended by the server when it sits idle, so that a paused process holds no locks', async () => {
    const idle = await withImpatientPool((impatient) =>
      withTransaction(impatient, async (client) => {
        await client.query(`INSERT INTO note VALUES ('idle')`);
        await new Promise((resolve) => client.once('end', resolve));
        await client.query('SELECT 1');
      }),
    ).catch((error: unknown) => error);
    expect(isRetryable(idle)).toBe(true);
    await withTransaction(pool, (client) => client.query(`INSERT INTO note VALUES ('idle')`));
    expect(await notes()).toEqual(['a', 'idle']);
  });
});

describe('withOpenedTransaction', () => {
  it('runs the opening inside, hands on what it found, and takes it back with the rest', async () => {
    const opened = (text: string, work: () => Promise<unknown>) =>
      withOpenedTransaction(
        pool,
        async (client) => (await client.query(`INSERT INTO note VALUES ($1) RETURNING text`, [text])).rows,
        async (_client, rows) => [rows, await work()],
      );
    expect(await opened('opened', async () => 'done')).toEqual([[{ text: 'opened' }], 'done']);
    await expect(opened('taken back', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(await notes()).toContain('opened');
    expect(await notes()).not.toContain('taken back');
    await pool.query(`DELETE FROM note WHERE text = 'opened'`);
  });

  it('does no work when the opening fails', async () => {
    let works = 0;
    const failing = withOpenedTransaction(
      pool,
      (client) => client.query('SELECT 1/0'),
      async () => works++,
    );
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(works).toBe(0);
  });
});

describe('together', () => {
  it('gives the first fault of statements that were sent together, and nothing of the others is kept', async () => {
    const failing = withTransaction(pool, (client) =>
      together([
        client.query(`INSERT INTO note VALUES ('before')`),
        // Settles later than the one behind it.
        client
          .query('SELECT 1/0')
          .finally(() => undefined)
          .finally(() => undefined),
        client.query(`INSERT INTO note VALUES ('behind')`),
      ]),
    );
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    expect(await notes()).toEqual(['a', 'idle']);
    expect(pool.idleCount).toBe(pool.totalCount);
  });

  it('gives the results in the order of the statements', async () => {
    const results = await withTransaction(pool, (client) =>
      together([client.query('SELECT 1 AS n'), Promise.resolve('two'), client.query('SELECT 3 AS n')]),
    );
    expect([results[0].rows, results[1], results[2].rows]).toEqual([[{ n: 1 }], 'two', [{ n: 3 }]]);
  });
});

describe('createPool', () => {
  it('cancels a statement that takes too long', async () => {
    const slow = await withImpatientPool((impatient) => impatient.query('SELECT pg_sleep(60)')).catch(
      (error: unknown) => error,
    );
    expect(sqlState(slow)).toBe('57014');
  });

  it('replaces a connection that breaks while nobody uses it, and says so', async () => {
    const { rows } = await pool.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    const other = createPool({ url: database.url, max: 1, applicationName: 'other' });
    const told = new Promise((resolve) => pool.once('error', resolve));
    await other.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
    await told;
    await other.end();
    expect(idleErrors.length).toBeGreaterThan(0);
    expect((await pool.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
  });

  it('reads bigint as a number', async () => {
    expect((await pool.query('SELECT 9007199254740991::bigint AS n')).rows).toEqual([{ n: Number.MAX_SAFE_INTEGER }]);
  });
});

describe('runMigrations', () => {
  class First1700000000001 implements MigrationInterface {
    name = 'First1700000000001';
    async up(runner: QueryRunner): Promise<void> {
      await runner.query('CREATE TABLE made (at timestamptz DEFAULT clock_timestamp())');
      await runner.query('INSERT INTO made DEFAULT VALUES');
    }
    async down(): Promise<void> {}
  }
  class Broken1700000000002 implements MigrationInterface {
    name = 'Broken1700000000002';
    async up(runner: QueryRunner): Promise<void> {
      await runner.query('CREATE TABLE half ()');
      await runner.query('SELECT 1/0');
    }
    async down(): Promise<void> {}
  }

  it('runs each once, whoever starts at the same time', async () => {
    const ran = await Promise.all([1, 2, 3].map(() => runMigrations(database.url, [First1700000000001])));
    expect(ran.flat()).toEqual(['First1700000000001']);
    expect((await pool.query('SELECT FROM made')).rowCount).toBe(1);
  });

  it('leaves nothing of one that fails, and lets go of its lock', async () => {
    await expect(runMigrations(database.url, [First1700000000001, Broken1700000000002])).rejects.toThrow(
      'division by zero',
    );
    expect((await pool.query(`SELECT to_regclass('half') AS half`)).rows).toEqual([{ half: null }]);
    expect(await runMigrations(database.url, [First1700000000001])).toEqual([]);
  });

  it('opens a data source that sees the same database', async () => {
    const source = await openDataSource({ url: database.url, applicationName: 'spec' });
    expect(await source.query('SELECT current_database() AS name')).toEqual([{ name: database.name }]);
    await source.destroy();
  });
});
