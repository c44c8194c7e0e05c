// Snapshot windows against real transactions of PostgreSQL: late commits, long runners, savepoints, crashes and take-overs.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '#clock';
import { createPool, type Pool } from '#database';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { type SessionSource, sessionsOf } from './session.ts';
import { describeWindows } from './simulation/windows-conformance.ts';
import { playAwkwardHistory, type TestTransaction } from './simulation/windows-histories.ts';
import { expireLeases, MemoryLog, migrate, publish, TestRelay } from './testing.ts';

async function open(): Promise<{ database: TestDatabase; pool: Pool }> {
  const database = await createTestDatabase({ migrate });
  const pool = createPool({
    url: database.url,
    max: 16,
    applicationName: 'windows',
    idleInTransactionTimeoutMs: 60_000,
  });
  return { database, pool };
}

async function begin(pool: Pool): Promise<TestTransaction> {
  const client = await pool.connect();
  await client.query('BEGIN');
  let savepoints = 0;
  const end = async (how: 'COMMIT' | 'ROLLBACK') => {
    await client.query(how);
    client.release();
  };
  return {
    drawXid: async () => void (await client.query('SELECT pg_current_xact_id()')),
    publish: (streamId, payload) => publish(client, streamId, payload),
    savepoint: async () => void (await client.query(`SAVEPOINT s${++savepoints}`)),
    rollBackToSavepoint: async () => {
      await client.query(`ROLLBACK TO s${savepoints}; RELEASE s${savepoints}`);
      savepoints--;
    },
    commit: () => end('COMMIT'),
    rollback: () => end('ROLLBACK'),
  };
}

// A history takes about 120 ms here.
describeWindows(
  'PostgreSQL',
  async () => {
    const { database, pool } = await open();
    return {
      sessions: sessionsOf(pool),
      begin: () => begin(pool),
      expireLeases: () => expireLeases(pool),
      close: async () => {
        await pool.end();
        await database.drop();
      },
    };
  },
  { histories: 60 },
);

/** A session source whose page query is `broken`. */
function breaking(pool: Pool, broken: (sql: string) => string): SessionSource {
  const connect = async () => {
    const client = await pool.connect();
    const query = client.query.bind(client) as (...given: unknown[]) => unknown;
    const replaced = (...[first, ...rest]: [unknown, ...unknown[]]) => {
      const { name, text } = first as { name?: string; text: string };
      return name === 'outbox_read_page'
        ? query({ ...(first as object), text: broken(text) }, ...rest)
        : query(first, ...rest);
    };
    return Object.assign(client, { query: replaced });
  };
  return sessionsOf({ connect } as unknown as Pool);
}

// Negative controls: what the suite asks for is only worth something if these don't pass.
describe('broken SQL', () => {
  let database: TestDatabase;
  let pool: Pool;
  beforeEach(async () => void ({ database, pool } = await open()));
  afterEach(async () => {
    await pool.end();
    await database.drop();
  });

  const outboxOf = (sessions: SessionSource) => ({
    sessions,
    begin: () => begin(pool),
    expireLeases: () => expireLeases(pool),
    close: async () => undefined,
  });
  const play = async (sessions: SessionSource) => [
    ...(await playAwkwardHistory(outboxOf(sessions), 1)),
    ...(await playAwkwardHistory(outboxOf(sessions), 500)),
  ];

  it('is not what there is', async () => {
    expect(await play(sessionsOf(pool))).toEqual([]);
  });

  it.each<[what: string, from: string, to: string]>([
    ['pages cut by transaction', 'ORDER BY e.id LIMIT $6', 'ORDER BY e.xid, e.id LIMIT $6'],
    ['transactions that were running are forgotten', 'e.xid = running.xid AND', 'false AND'],
    [
      'ids that nobody has drawn yet',
      `coalesce(pg_sequence_last_value('outbox.event_id'), 0)`,
      `pg_sequence_last_value('outbox.event_id') + 32`,
    ],
  ])('is found out: %s', async (_what, from, to) => {
    const sessions = breaking(pool, (sql) => {
      const parts = sql.split(from);
      expect(parts.length, 'this SQL is no longer there').toBeGreaterThan(1);
      return parts.join(to);
    });
    expect(await play(sessions)).not.toEqual([]);
  });

  it('is found out: rows in another order than that of their ids', async () => {
    const open = async () => {
      const session = await sessionsOf(pool).open();
      const readPage: typeof session.readPage = async (shards, limit) => {
        const page = await session.readPage(shards, limit);
        return { ...page, rows: page.rows.toReversed() };
      };
      return { ...session, readPage };
    };
    expect(await play({ open })).not.toEqual([]);
  });
});

describe('two-phase commit', () => {
  let database: TestDatabase;
  let pool: Pool;
  beforeAll(async () => void ({ database, pool } = await open()));
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  it('is survived: a prepared transaction is published when it commits', async (context) => {
    const { rows } = await pool.query<{ max_prepared_transactions: string }>('SHOW max_prepared_transactions');
    if (rows[0]!.max_prepared_transactions === '0') context.skip('this server has max_prepared_transactions = 0');
    const log = new MemoryLog();
    const relay = new TestRelay({ sessions: sessionsOf(pool), log, pageSize: 1, random: seededRandom(1) });
    await relay.settle();
    const writer = await pool.connect();
    await writer.query('BEGIN');
    const id = await publish(writer, 'prepared');
    await writer.query(`PREPARE TRANSACTION 'waybill'`);
    writer.release();
    for (let pass = 0; pass < 3; pass++) await relay.pass({ advanceMs: 21_000 });
    await pool.query(`COMMIT PREPARED 'waybill'`);
    await relay.settle();
    expect([...log.eventIds]).toEqual([id]);
    await relay.relay.stop();
  });
});
