// Snapshot windows against real transactions: late commits, long runners, savepoints, crashes and take-overs, step by step from a seed.
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '#clock';
import { createPool, type Pool, type PoolClient } from '#database';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { type CrashPoint, expireLeases, faultsOf, MemoryLog, migrate, publish, TestRelay } from './testing.ts';

let database: TestDatabase;
let pool: Pool;
let runs = 0;
const relays: TestRelay[] = [];

beforeAll(async () => {
  database = await createTestDatabase({ migrate });
  pool = createPool({ url: database.url, max: 16, applicationName: 'windows', idleInTransactionTimeoutMs: 60_000 });
});
afterAll(async () => {
  for (const relay of relays) relay.kill();
  await pool.end();
  await database.drop();
});

/** Everything that earlier tests left in the outbox is published, and nobody holds a shard. */
async function startClean(): Promise<MemoryLog> {
  await expireLeases(pool);
  const log = new MemoryLog();
  const relay = newRelay(log, 500);
  await relay.settle();
  await relay.relay.stop();
  log.streams.clear();
  return log;
}

function newRelay(log: MemoryLog, pageSize: number, seed = 1): TestRelay {
  const relay = new TestRelay({ pool, log, pageSize, random: seededRandom(seed) });
  relays.push(relay);
  return relay;
}

async function transaction(): Promise<PoolClient> {
  const client = await pool.connect();
  await client.query('BEGIN');
  return client;
}

async function end(client: PoolClient, how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
  await client.query(how);
  client.release();
}

describe('a window', () => {
  it('holds a transaction that was the only one running while idle passes went by', async () => {
    const log = await startClean();
    const relay = newRelay(log, 7);
    await relay.pass();
    const writer = await transaction();
    const id = await publish(writer, `only-${++runs}`);
    // Its xid is at or above the xmax of these snapshots, and in none of their lists of running transactions.
    for (let pass = 0; pass < 5; pass++) await relay.pass();
    await end(writer, 'COMMIT');
    await relay.pass();
    await relay.pass();
    expect(log.eventIds).toEqual(new Set([id]));
    await relay.relay.stop();
  });

  it('holds it whether idle passes stored their progress or not, and after a restart', async () => {
    const log = await startClean();
    const committed = new Set<string>();
    let relay = newRelay(log, 3);
    const writers: PoolClient[] = [];
    for (const stored of [[], [0], [1], [0, 1], [2], [0, 2]]) {
      const writer = await transaction();
      writers.push(writer);
      committed.add(await publish(writer, `stored-${++runs}`));
      for (let pass = 0; pass < 3; pass++) await relay.pass({ advanceMs: stored.includes(pass) ? 21_000 : 10 });
      if (stored.length === 2) {
        await expireLeases(pool);
        relay = newRelay(log, 3);
      }
    }
    // The first to begin is the last to commit.
    for (const writer of writers.toReversed()) {
      await end(writer, 'COMMIT');
      await relay.pass({ advanceMs: 21_000 });
    }
    await relay.settle();
    expect(faultsOf(log, committed)).toEqual([]);
    expect(log.length).toBe(committed.size);
    await relay.relay.stop();
  });

  it('publishes a lower id that commits later, once, and leaves out what rolls back', async () => {
    const log = await startClean();
    const relay = newRelay(log, 2);
    const [first, second, third] = [await transaction(), await transaction(), await transaction()];
    const run = ++runs;
    const lowest = await publish(first, `low-${run}`);
    await publish(second, `gone-${run}`);
    const highest = await publish(third, `high-${run}`);
    await end(third, 'COMMIT');
    await relay.pass();
    expect([...log.eventIds]).toEqual([highest]);
    await end(second, 'ROLLBACK');
    await relay.pass();
    await end(first, 'COMMIT');
    await relay.pass();
    await relay.pass();
    expect([...log.streams.values()].flat().map((row) => row.eventId)).toEqual([highest, lowest]);
    await relay.relay.stop();
  });

  it('is not held up by a long transaction of somebody else, which costs no repetition either', async () => {
    const log = await startClean();
    const relay = newRelay(log, 5);
    const foreign = await transaction();
    await foreign.query('SELECT pg_current_xact_id()');
    const stream = `busy-${++runs}`;
    for (let n = 0; n < 20; n++) {
      await publish(pool, stream);
      await relay.pass();
    }
    expect(log.length).toBe(20);
    await end(foreign, 'ROLLBACK');
    await relay.settle();
    expect(log.length).toBe(20);
    expect(
      log
        .lanes()
        .get(`${stream} 00000000-0000-4000-8000-00000000000a`)!
        .map((one) => one.sequence),
    ).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    await relay.relay.stop();
  });

  it('keeps the order of a stream whose publishers have transaction ids in the opposite order', async () => {
    const log = await startClean();
    const relay = newRelay(log, 1);
    const stream = `swapped-${++runs}`;
    const early = await transaction();
    await early.query('SELECT pg_current_xact_id()');
    const first = await publish(pool, stream);
    await relay.pass();
    const second = await publish(early, stream);
    await end(early, 'COMMIT');
    const third = await publish(pool, stream);
    for (let pass = 0; pass < 4; pass++) await relay.pass();
    expect(log.streams.get(stream)!.map((row) => row.eventId)).toEqual([first, second, third]);
    await relay.relay.stop();
  });

  it('is cut by bytes as well as by rows: large payloads come in small pages, none left out', async () => {
    const log = await startClean();
    const relay = newRelay(log, 500);
    const stream = `large-${++runs}`;
    const committed = new Set<string>();
    const text = `"${'x'.repeat(524_000)}"`;
    for (let n = 0; n < 20; n++) committed.add(await publish(pool, stream, n === 10 ? '{}' : text));
    const pages: number[] = [];
    relay.onProduce = async (rows) => void pages.push(rows.reduce((sum, row) => sum + row.payload.length, 0));
    await relay.settle();
    expect(faultsOf(log, committed)).toEqual([]);
    expect(log.length).toBe(20);
    expect(Math.max(...pages)).toBeLessThan(5 * 1_048_576);
    await relay.relay.stop();
  });

  it('survives two-phase commit: a prepared transaction is published when it commits', async (context) => {
    const { rows } = await pool.query<{ setting: string }>('SHOW max_prepared_transactions');
    if (Object.values(rows[0]!)[0] === '0') context.skip('this server has max_prepared_transactions = 0');
    const log = await startClean();
    const relay = newRelay(log, 1);
    const writer = await transaction();
    const id = await publish(writer, `prepared-${++runs}`);
    await writer.query(`PREPARE TRANSACTION 'waybill-${runs}'`);
    writer.release();
    for (let pass = 0; pass < 3; pass++) await relay.pass({ advanceMs: 21_000 });
    await pool.query(`COMMIT PREPARED 'waybill-${runs}'`);
    await relay.settle();
    expect([...log.eventIds]).toEqual([id]);
    await relay.relay.stop();
  });
});

// ── any history ─────────────────────────────────────────────────────────────────────────────────────────────────────

/** About 120 ms each. fast-check prints the seed of a failure. */
const RUNS = 60;
const WRITERS = 4;
const STREAMS = 4;
const RELAYS = 2;

type Step =
  | { do: 'publish'; writer: number; stream: number }
  | { do: 'draw xid' | 'savepoint' | 'roll back to' | 'commit' | 'rollback'; writer: number }
  | { do: 'pass'; relay: number; times: number; renews: boolean }
  | { do: 'crash'; relay: number; at: CrashPoint; isReplaced: boolean }
  | { do: 'expire leases' };

const writer = fc.nat(WRITERS - 1);
const relayIndex = fc.nat(RELAYS - 1);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('publish'), writer, stream: fc.nat(STREAMS - 1) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('draw xid', 'savepoint', 'roll back to', 'commit', 'commit', 'commit', 'rollback'),
      writer,
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('pass'),
      relay: relayIndex,
      times: fc.integer({ min: 1, max: 4 }),
      renews: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash'),
      relay: relayIndex,
      at: fc.constantFrom<CrashPoint>('read', 'produce', 'before store', 'after store'),
      isReplaced: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire leases') }) },
);

interface Level {
  events: string[];
  streams: string[];
}

/** One connection of a domain service, with what its open transaction has published and locked so far, by savepoint. */
class Writer {
  readonly #committed: Set<string>;
  #client: PoolClient | null = null;
  #levels: Level[] = [];

  constructor(committed: Set<string>) {
    this.#committed = committed;
  }

  locks(stream: string): boolean {
    return this.#levels.some(({ streams }) => streams.includes(stream));
  }

  async #begun(): Promise<PoolClient> {
    if (this.#client) return this.#client;
    this.#levels = [{ events: [], streams: [] }];
    return (this.#client = await transaction());
  }

  async publish(stream: string): Promise<void> {
    const id = await publish(await this.#begun(), stream);
    const level = this.#levels.at(-1)!;
    level.events.push(id);
    level.streams.push(stream);
  }

  async drawXid(): Promise<void> {
    await (await this.#begun()).query('SELECT pg_current_xact_id()');
  }

  async savepoint(): Promise<void> {
    await (await this.#begun()).query(`SAVEPOINT s${this.#levels.length}`);
    this.#levels.push({ events: [], streams: [] });
  }

  async rollBackToSavepoint(): Promise<void> {
    if (this.#levels.length < 2) return;
    this.#levels.pop();
    await this.#client!.query(`ROLLBACK TO s${this.#levels.length}; RELEASE s${this.#levels.length}`);
  }

  async end(how: 'COMMIT' | 'ROLLBACK'): Promise<void> {
    if (!this.#client) return;
    await end(this.#client, how);
    if (how === 'COMMIT') for (const { events } of this.#levels) for (const id of events) this.#committed.add(id);
    this.#client = null;
    this.#levels = [];
  }
}

/** One history: writers, relays, the log, and what was committed. */
class History {
  readonly log: MemoryLog;
  readonly committed = new Set<string>();
  readonly #writers = Array.from({ length: WRITERS }, () => new Writer(this.committed));
  readonly #relays: TestRelay[];
  readonly #newRelay: () => TestRelay;
  readonly #run = ++runs;

  constructor(log: MemoryLog, pageSize: number) {
    this.log = log;
    let seed = 0;
    this.#newRelay = () => newRelay(log, pageSize, ++seed);
    this.#relays = Array.from({ length: RELAYS }, this.#newRelay);
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish': {
        const stream = `h${this.#run}-${step.stream}`;
        // Held by another transaction: this one connection would wait for ever.
        if (this.#writers.some((other, index) => index !== step.writer && other.locks(stream))) return;
        return this.#writers[step.writer]!.publish(stream);
      }
      case 'draw xid':
        return this.#writers[step.writer]!.drawXid();
      case 'savepoint':
        return this.#writers[step.writer]!.savepoint();
      case 'roll back to':
        return this.#writers[step.writer]!.rollBackToSavepoint();
      case 'commit':
        return this.#writers[step.writer]!.end('COMMIT');
      case 'rollback':
        return this.#writers[step.writer]!.end('ROLLBACK');
      case 'pass':
        for (let pass = 0; pass < step.times; pass++) {
          await this.#relays[step.relay]!.pass({ advanceMs: step.renews ? 21_000 : 10 });
        }
        return;
      case 'crash': {
        await this.#relays[step.relay]!.pass({ crashAt: step.at });
        if (!step.isReplaced) return;
        this.#relays[step.relay]!.kill();
        this.#relays[step.relay] = this.#newRelay();
        return;
      }
      case 'expire leases':
        return expireLeases(pool);
    }
  }

  /** Ends what is open, lets a new relay take everything, and judges. */
  async judge(): Promise<string[]> {
    for (const [index, one] of this.#writers.entries()) await one.end(index % 2 === 0 ? 'COMMIT' : 'ROLLBACK');
    await expireLeases(pool);
    const last = this.#newRelay();
    await last.settle();
    for (const relay of [...this.#relays, last]) relay.kill();
    return faultsOf(this.log, this.committed);
  }
}

describe('any history of writers and relays', () => {
  it('publishes every committed event, none that was rolled back, each lane in order', async () => {
    await startClean();
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyStep, { minLength: 10, maxLength: 70, size: 'max' }),
        fc.integer({ min: 1, max: 7 }),
        async (steps, pageSize) => {
          const history = new History(new MemoryLog(), pageSize);
          for (const step of steps) await history.take(step);
          expect(await history.judge()).toEqual([]);
        },
      ),
      { numRuns: RUNS, verbose: 1, endOnFailure: true },
    );
  });
});
