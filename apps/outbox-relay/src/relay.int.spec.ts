// The relay on real PostgreSQL: who publishes which shard, what a fence stops, and what happens when the database is not the one it was.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '#clock';
import { createPool, type Pool } from '#database';
import { createTestDatabase, type TestDatabase, until } from '#testkit';
import { sessionsOf } from './session.ts';
import { expireLeases, faultsOf, MemoryLog, migrate, publish, SHARDS, TestRelay } from './testing.ts';

let database: TestDatabase;
let pool: Pool;
let log: MemoryLog;
const relays: TestRelay[] = [];
const SEED = 42;

// A database for each test: the system identifier and the snapshots of all of them are changed at will.
beforeEach(async () => {
  database = await createTestDatabase({ migrate });
  pool = createPool({ url: database.url, max: 20, applicationName: 'relay', idleInTransactionTimeoutMs: 60_000 });
  log = new MemoryLog();
});
afterEach(async () => {
  for (const relay of relays.splice(0)) relay.kill();
  await pool.end();
  await database.drop();
});

function newRelay(options: { pageSize?: number; leaseMs?: number; seed?: number } = {}): TestRelay {
  const { pageSize = 5, leaseMs, seed = SEED } = options;
  const random = seededRandom(seed);
  const relay = new TestRelay({
    sessions: sessionsOf(pool),
    log,
    pageSize,
    random,
    ...(leaseMs === undefined ? {} : { leaseMs }),
  });
  relays.push(relay);
  return relay;
}

async function publishMany(count: number, streams = 6): Promise<Set<string>> {
  const ids = new Set<string>();
  for (let n = 0; n < count; n++) ids.add(await publish(pool, `stream-${n % streams}`));
  return ids;
}

interface ShardRow {
  shard: number;
  holder: string | null;
  epoch: number;
  prev: string;
  target: string | null;
}
const shardRows = async () =>
  (await pool.query<ShardRow>('SELECT shard, holder, epoch, prev::text, target::text FROM outbox.shard ORDER BY shard'))
    .rows;

describe('shares', () => {
  it('gives one relay everything and two their even parts; what one gives back the other takes at once', async () => {
    const [first, second] = [newRelay(), newRelay()];
    await first.pass();
    expect(first.relay.heldShards).toHaveLength(SHARDS);
    await second.pass();
    await first.pass({ advanceMs: 21_000 });
    await second.pass({ advanceMs: 21_000 });
    const [one, other] = [first.relay.heldShards, second.relay.heldShards];
    expect([one.length, other.length].toSorted()).toEqual([1, 2]);
    expect([...one, ...other].toSorted()).toEqual([0, 1, 2]);
    await first.relay.stop();
    await second.pass({ advanceMs: 21_000 });
    expect(second.relay.heldShards).toHaveLength(SHARDS);
    await second.relay.stop();
    expect((await shardRows()).map((row) => row.holder)).toEqual([null, null, null]);
  });

  it('lets nobody take a shard whose lease holds, and gives every take-over a new epoch', async () => {
    const [first, second] = [newRelay(), newRelay()];
    await first.pass();
    const before = await shardRows();
    await pool.query(`DELETE FROM outbox.relay`);
    await second.pass();
    expect(second.relay.heldShards).toEqual([]);
    expect(await shardRows()).toEqual(before);
    await expireLeases(pool);
    await second.pass({ advanceMs: 21_000 });
    const after = await shardRows();
    expect(after.map((row) => row.holder)).toEqual(Array.from({ length: SHARDS }, () => second.holder));
    for (const [n, row] of after.entries()) expect(row.epoch).toBeGreaterThan(before[n]!.epoch);
  });
});

describe('the fence', () => {
  it('stops a relay that was paused past its lease: it stores nothing, and what it produced was only a repeat', async () => {
    const paused = newRelay({ pageSize: 3 });
    await paused.pass();
    const committed = await publishMany(12);
    const other = newRelay({ pageSize: 500 });
    paused.onProduce = async () => {
      paused.onProduce = null;
      // Meanwhile the other one takes everything, publishes it, and more.
      await expireLeases(pool);
      await other.pass();
      for (const id of await publishMany(12)) committed.add(id);
      await other.pass();
    };
    await paused.pass();
    const after = await shardRows();
    expect(paused.relay.heldShards).toEqual([]);
    expect(after.map((row) => row.holder)).toEqual([other.holder, other.holder, other.holder]);
    expect(log.length).toBeGreaterThan(committed.size);
    await paused.pass();
    await other.settle();
    expect(faultsOf(log, committed)).toEqual([]);
    const length = log.length;
    await paused.pass({ advanceMs: 21_000 });
    expect(log.length).toBe(length);
  });

  it('holds between two sessions of one relay as well', async () => {
    const relay = newRelay();
    await relay.pass();
    const before = await shardRows();
    await relay.pass({ advanceMs: 21_000, crashAt: 'before store' });
    await relay.pass();
    const after = await shardRows();
    for (const [n, row] of after.entries()) {
      expect(row.holder).toBe(relay.holder);
      expect(row.epoch).toBe(before[n]!.epoch + 1);
    }
  });
});

describe('a crash', () => {
  it.each(['read', 'produce', 'before store', 'after store'] as const)(
    'at %s, at every page of a window, repeats a suffix at most',
    async (crashAt) => {
      const committed = await publishMany(40);
      for (let restart = 0; restart < 12; restart++) {
        const relay = newRelay({ pageSize: 2, seed: restart });
        await expireLeases(pool);
        await relay.pass();
        await relay.pass({ crashAt });
        relay.kill();
      }
      await expireLeases(pool);
      await newRelay({ pageSize: 2 }).settle();
      expect(faultsOf(log, committed)).toEqual([]);
      if (crashAt === 'read' || crashAt === 'after store') expect(log.length).toBe(committed.size);
    },
  );

  it('of the connection makes it begin again from what is stored, not from what it remembers', async () => {
    const relay = newRelay();
    await relay.pass();
    const committed = await publishMany(10);
    await relay.pass();
    // Idle passes move on in memory alone.
    for (let pass = 0; pass < 5; pass++) await relay.pass();
    await pool.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`,
    );
    await expect(relay.relay.runOnce()).rejects.toMatchObject({});
    expect(relay.relay.heldShards).toEqual([]);
    for (const id of await publishMany(5)) committed.add(id);
    await relay.settle();
    expect(faultsOf(log, committed)).toEqual([]);
  });
});

describe('a database that is not the one it was', () => {
  /** As after a dump from another server and its restore here: transaction ids that this server has not given out yet. */
  const makeForeign = async (systemIdentifier: string | null) => {
    await pool.query(`UPDATE outbox.event SET xid = (xid::text::bigint + 900000000000)::text::xid8`);
    await pool.query(
      `UPDATE outbox.shard SET prev = '900000900000:900000900000:', floor_id = 1000000, target = NULL, target_floor_id = NULL,
              last_id = 0, system_identifier = coalesce($1, system_identifier)`,
      [systemIdentifier],
    );
  };

  it.each([
    ['another system identifier', '7000000000000000001'],
    ['a snapshot behind the stored one', null],
  ])('(%s) is published from the beginning, all pages of it', async (_what, systemIdentifier) => {
    const first = newRelay();
    await first.pass();
    const committed = await publishMany(60, 3);
    await first.settle();
    await first.relay.stop();
    log.streams.clear();
    await makeForeign(systemIdentifier);
    const relay = newRelay({ pageSize: 4 });
    await relay.settle();
    expect(faultsOf(log, committed)).toEqual([]);
    for (const id of await publishMany(20, 3)) committed.add(id);
    await relay.settle();
    expect(faultsOf(log, committed)).toEqual([]);
    const length = log.length;
    await relay.settle();
    expect(log.length).toBe(length);
    expect((await shardRows()).every((row) => !row.prev.startsWith('9000'))).toBe(true);
  });

  it('(a transaction open while it is taken over) loses nothing that commits later', async () => {
    const committed = await publishMany(30, 3);
    await makeForeign('7000000000000000001');
    const writer = await pool.connect();
    await writer.query('BEGIN');
    const late = await publish(writer, 'late');
    const relay = newRelay({ pageSize: 4 });
    await relay.settle();
    expect(faultsOf(log, committed)).toEqual([]);
    await writer.query('COMMIT');
    writer.release();
    committed.add(late);
    await relay.settle();
    expect(faultsOf(log, committed)).toEqual([]);
  });
});

// ── all at once ─────────────────────────────────────────────────────────────────────────────────────────────────────

it(`publishes what 6 writers commit while 2 relays run, die and take over from each other (seed ${SEED})`, async () => {
  const random = seededRandom(SEED);
  const committed = new Set<string>();
  const writing = new AbortController();
  const writer = async (n: number) => {
    const own = seededRandom(SEED + n);
    const client = await pool.connect();
    for (let turn = 0; turn < 40; turn++) {
      await client.query('BEGIN');
      const stream = `stream-${Math.floor(own() * 5)}`;
      const ids: string[] = [];
      for (let event = 0; event <= own() * 3; event++) ids.push(await publish(client, stream));
      // Some stay open while many others commit.
      if (own() < 0.1) await until(() => log.length % 3 === 0, { withinMs: 30, what: '' }).catch(() => undefined);
      const commits = own() < 0.8;
      await client.query(commits ? 'COMMIT' : 'ROLLBACK');
      if (commits) for (const id of ids) committed.add(id);
    }
    client.release();
  };
  const points = [null, null, null, null, null, 'read', 'produce', 'before store', 'after store'] as const;
  const relayLoop = async (n: number) => {
    let relay = newRelay({ pageSize: 1 + n * 3, seed: n });
    while (!writing.signal.aborted) {
      const crashAt = points[Math.floor(random() * points.length)]!;
      const advanceMs = random() < 0.3 ? 21_000 : 5;
      const result = await relay.pass({ advanceMs, crashAt });
      if (result === 'crashed' && random() < 0.5) {
        relay.kill();
        relay = newRelay({ pageSize: 1 + Math.floor(random() * 7), seed: relays.length });
      }
      if (random() < 0.1) await expireLeases(pool);
    }
    relay.kill();
  };
  const loops = [relayLoop(0), relayLoop(1)];
  await Promise.all(Array.from({ length: 6 }, (_, n) => writer(n)));
  writing.abort();
  await Promise.all(loops);
  await expireLeases(pool);
  await newRelay().settle();
  expect(faultsOf(log, committed)).toEqual([]);
  expect(committed.size).toBeGreaterThan(300);
  const highest = new Map(
    [...log.lanes()].map(([lane, records]) => [lane, Math.max(...records.map((r) => r.sequence))]),
  );
  expect([...highest.values()].reduce((sum, n) => sum + n, 0)).toBe(committed.size * 2);
});
