// Lost records on real PostgreSQL: what the reconciler and the gap healer find, what they leave alone, and what is published again.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeClock, seededRandom } from '#clock';
import { createPool, type Pool } from '#database';
import { runMigrations } from '#database/typeorm';
import { deliveriesMigrations, findGaps } from '#deliveries';
import { endpointsMigrations } from '#endpoints';
import { type OutboxRow, outboxMigrations } from '#outbox';
import { createLogger, createMetrics } from '#telemetry';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { GapHealer } from './gap-healer.ts';
import type { LogProgress } from './log-progress.ts';
import { createRelayMetrics } from './metrics.ts';
import { Reconciler } from './reconciler.ts';
import { Republisher } from './republisher.ts';
import { sessionsOf } from './session.ts';
import { expireLeases, MemoryLog, publish, TestRelay } from './testing.ts';

const ENDPOINT = '00000000-0000-4000-8000-00000000000a';
const AFTER_MS = 10_000;

async function migrateBothSides(url: string): Promise<void> {
  await runMigrations(url, [...outboxMigrations({ shards: 3 }), ...endpointsMigrations, ...deliveriesMigrations]);
  const pool = createPool({ url, max: 1, applicationName: 'test-migrate' });
  await pool.query(`INSERT INTO waybill.tenant (id, name) VALUES ('acme', 'acme');
    INSERT INTO waybill.endpoint (id, tenant_id, url, format, secret, secret_encoding, timeout_ms, max_retries, initial_delay_ms,
      max_delay_ms, success_status, on_exhausted, max_concurrency, enabled)
    VALUES ('00000000-0000-4000-8000-00000000000a', 'acme', 'https://r.example', 'signed-json', 'sealed', 'utf8', 1000, 1, 1, 1,
      '2xx', 'block', 1, true);
    INSERT INTO outbox.route VALUES ('acme', '*', '00000000-0000-4000-8000-00000000000a');
    INSERT INTO outbox.event_type VALUES ('CODE', 'none')`);
  await pool.end();
}

let database: TestDatabase;
let pool: Pool;
let log: MemoryLog;
let relay: TestRelay;
let clock: FakeClock;
let reconciler: Reconciler;
let republisher: Republisher;
let healer: GapHealer;
let end: number;
let committed: number;

beforeEach(async () => {
  database = await createTestDatabase({ migrate: migrateBothSides });
  pool = createPool({ url: database.url, max: 8, applicationName: 'reconciler', idleInTransactionTimeoutMs: 60_000 });
  log = new MemoryLog();
  clock = new FakeClock();
  relay = newRelay();
  [end, committed] = [0, 0];
  newHealing();
});
afterEach(async () => {
  relay.kill();
  await pool.end();
  await database.drop();
});

function newRelay(): TestRelay {
  return new TestRelay({ sessions: sessionsOf(pool), log, pageSize: 500, random: seededRandom(1) });
}

/** As a relay that starts: it remembers nothing. */
function newHealing(pageSize = 1_000): void {
  const { holder } = relay;
  const logger = createLogger('outbox-relay', 'silent');
  const metrics = createRelayMetrics(createMetrics('outbox-relay', 'test'), async () => null);
  const logProgress = async (): Promise<LogProgress> => new Map([[0, { low: 0, high: end, committed }]]);
  const sides = { outbox: pool, deliveries: pool, clock, logger, metrics };
  reconciler = new Reconciler({ holder, afterMs: AFTER_MS, pageSize }, { ...sides, logProgress });
  republisher = new Republisher(holder, { outbox: pool, logger, metrics });
  republisher.publishWith(async (rows) => append(rows));
  healer = new GapHealer({ holder, idsAtOnce: 7 }, sides);
}

function append(rows: readonly OutboxRow[]): void {
  for (const row of rows) log.append(row);
  end = log.length;
}

/** Everything that is committed is on the log, and the consumers have read it. */
async function relayAll(): Promise<void> {
  await relay.settle();
  end = log.length;
  committed = end;
}

/** What a consumer records of `rows`: in turn it is delivered, out of turn it waits. */
async function receive(rows: readonly OutboxRow[]): Promise<void> {
  for (const row of rows) {
    for (const [endpointId, sequence] of JSON.parse(row.targets) as [string, number | null][]) {
      if (sequence === null) await record('history', row, endpointId, null);
      else await receiveOrdered(row, endpointId, sequence);
    }
  }
}

async function receiveOrdered(row: OutboxRow, endpointId: string, sequence: number): Promise<void> {
  const { rows } = await pool.query<{ delivered: number }>(
    `INSERT INTO waybill.lane (endpoint_id, stream_id, tenant_id, partition, delivered, state) VALUES ($1, $2, 'acme', 0, 0, 'open')
     ON CONFLICT (endpoint_id, stream_id) DO UPDATE SET state = lane.state RETURNING delivered`,
    [endpointId, row.streamId],
  );
  const { delivered } = rows[0]!;
  if (sequence <= delivered) return;
  const lane = [endpointId, row.streamId];
  if (sequence === delivered + 1) {
    await record('history', row, endpointId, sequence);
    await pool.query(`UPDATE waybill.lane SET delivered = $3 WHERE endpoint_id = $1 AND stream_id = $2`, [
      ...lane,
      sequence,
    ]);
  } else {
    await record('waiting', row, endpointId, sequence);
    await pool.query(
      `UPDATE waybill.lane SET state = 'parked', reason = 'gap', blocked_since = now() - interval '6 s', next_attempt_at = now()
        WHERE endpoint_id = $1 AND stream_id = $2`,
      lane,
    );
  }
}

async function record(where: 'history' | 'waiting', row: OutboxRow, endpointId: string, sequence: number | null) {
  const values = [endpointId, row.eventId, row.streamId, sequence, row.type, row.occurredAt, row.enqueuedAt];
  const columns =
    'endpoint_id, event_id, stream_id, sequence, event_type, occurred_at, enqueued_at, tenant_id, partition, payload';
  const text =
    where === 'waiting'
      ? `INSERT INTO waybill.delivery (${columns}, state) VALUES ($1, $2, $3, $4, $5, $6, $7, 'acme', 0, '{}', 'parked')`
      : `INSERT INTO waybill.delivery_history (${columns}, state, attempts, finished_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, 'acme', 0, '{}', 'delivered', 1, now())`;
  await pool.query(`${text} ON CONFLICT DO NOTHING`, values);
}

/** Runs the reconciler until it has compared what there is: over looks and pages, as time goes by. */
async function reconcile(): Promise<void> {
  for (let n = 0; n < 40; n++) {
    await reconciler.runOnce();
    clock.advance(1_000);
  }
}

async function heal(): Promise<void> {
  for (let n = 0; n < 20; n++) await healer.runOnce();
}

async function requested(): Promise<string[]> {
  const { rows } = await pool.query<{ event_id: string }>('SELECT event_id FROM outbox.republish_request ORDER BY id');
  return rows.map((row) => row.event_id);
}

/** Republishes what was asked for, and lets the consumers receive it. */
async function answerRequests(): Promise<OutboxRow[]> {
  const before = rowsOf().length;
  while ((await republisher.runOnce()).nextInMs < 100);
  const again = rowsOf().slice(before);
  await receive(again);
  committed = end;
  return again;
}

/** In the order in which they came, within a stream. */
const rowsOf = () => arrivals;
let arrivals: OutboxRow[] = [];
beforeEach(() => {
  arrivals = [];
  const keep = log.append.bind(log);
  log.append = (row) => {
    arrivals.push(row);
    keep(row);
  };
});

describe('the reconciler', () => {
  it('asks for nothing when everything has arrived, and does not look at it twice', async () => {
    for (let n = 0; n < 20; n++) await publish(pool, `stream-${n % 4}`);
    await relayAll();
    await receive(arrivals);
    await reconcile();
    expect(await requested()).toEqual([]);
    // Gone from the delivery side without a trace: had it been looked at again, it would be asked for.
    await pool.query('DELETE FROM waybill.lane');
    newHealing();
    await reconcile();
    expect(await requested()).toEqual([]);
  });

  it('has the last event of a stream published again, which no gap betrays', async () => {
    await publish(pool, 'stream-1');
    const last = await publish(pool, 'stream-1');
    await publish(pool, 'stream-2');
    await relayAll();
    await receive(arrivals.filter(({ eventId }) => eventId !== last));
    await reconcile();
    expect(await requested()).toEqual([last]);
    expect((await answerRequests()).map(({ eventId }) => eventId)).toEqual([last]);
    await reconcile();
    expect(await requested()).toEqual([last]);
  });

  it('waits while the consumers have not read what was published', async () => {
    await publish(pool, 'stream-1');
    await relayAll();
    committed = 0;
    await reconcile();
    expect(await requested()).toEqual([]);
    await receive(arrivals);
    committed = end;
    await reconcile();
    expect(await requested()).toEqual([]);
  });

  it('does not ask for what is younger than its age', async () => {
    await publish(pool, 'stream-1');
    await relayAll();
    for (let n = 0; n < 9; n++) {
      await reconciler.runOnce();
      clock.advance(1_000);
    }
    expect(await requested()).toEqual([]);
    await reconcile();
    expect(await requested()).toHaveLength(1);
  });

  it('has a whole lost topic published again, in the order of each lane, page by page', async () => {
    newHealing(3);
    const ids: string[] = [];
    for (let n = 0; n < 40; n++) ids.push(await publish(pool, `stream-${n % 5}`));
    await relayAll();
    await reconcile();
    await answerRequests();
    await reconcile();
    expect(new Set(await requested())).toEqual(new Set(ids));
    const { rows } = await pool.query('SELECT stream_id, delivered, state FROM waybill.lane ORDER BY stream_id');
    expect(rows).toEqual(
      Array.from({ length: 5 }, (_, n) => ({ stream_id: `stream-${n}`, delivered: 8, state: 'open' })),
    );
  });

  it('does not skip a transaction that commits late with a lower id', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    const late = await publish(client, 'stream-late');
    for (let n = 0; n < 5; n++) await publish(pool, `stream-${n}`);
    await relayAll();
    await receive(arrivals);
    await reconcile();
    await client.query('COMMIT');
    client.release();
    await relayAll();
    expect(arrivals.map(({ eventId }) => eventId)).toContain(late);
    await reconcile();
    expect(await requested()).toEqual([late]);
  });

  it('knows what waits on a parked lane, and what is unordered by its own record', async () => {
    const [first, second] = [await publish(pool, 'stream-1'), await publish(pool, 'stream-1')];
    const code = async () =>
      (await pool.query<{ id: string }>(`SELECT outbox.publish_event('acme', 'user-1', 'CODE', '{}') AS id`)).rows[0]!
        .id;
    const [known, unknown] = [await code(), await code()];
    await relayAll();
    await receive(arrivals.filter(({ eventId }) => eventId === second || eventId === known));
    await reconcile();
    expect((await requested()).toSorted()).toEqual([first, unknown].toSorted());
  });

  it('leaves the events of a deleted endpoint alone', async () => {
    await publish(pool, 'stream-1');
    await relayAll();
    await pool.query('UPDATE waybill.endpoint SET deleted_at = now()');
    await reconcile();
    expect(await requested()).toEqual([]);
  });

  it('goes on where another relay left off', async () => {
    await publish(pool, 'stream-1');
    await relayAll();
    await receive(arrivals);
    await reconcile();
    await expireLeases(pool);
    relay.kill();
    relay = newRelay();
    const lost = await publish(pool, 'stream-1');
    await relayAll();
    newHealing();
    await reconcile();
    expect(await requested()).toEqual([lost]);
  });

  it('finds the event that the relay itself has passed over, by a floor that was too high', async () => {
    await relayAll();
    relay.kill();
    await expireLeases(pool);
    await pool.query('UPDATE outbox.shard SET floor_id = floor_id + 32');
    relay = newRelay();
    await relayAll();
    newHealing();
    await reconcile();
    const passedOver = await publish(pool, 'stream-1');
    await relayAll();
    expect(arrivals).toEqual([]);
    await reconcile();
    expect(await requested()).toEqual([passedOver]);
    expect((await answerRequests()).map(({ eventId }) => eventId)).toEqual([passedOver]);
  });

  it('asks again, less and less often, while something stays unknown, and never goes past it', async () => {
    const lost = await publish(pool, 'stream-1');
    await relayAll();
    for (let n = 0; n < 6; n++) {
      await reconcile();
      // Published, and lost again.
      while ((await republisher.runOnce()).nextInMs < 100);
      committed = end;
    }
    const asked = await requested();
    expect(new Set(asked)).toEqual(new Set([lost]));
    expect(asked.length).toBeGreaterThan(1);
    await receive(arrivals);
    for (let n = 0; n < 6; n++) await reconcile();
    const known = await requested();
    for (let n = 0; n < 6; n++) await reconcile();
    expect(await requested()).toEqual(known);
  });
});

describe('republication', () => {
  const results = async () =>
    (await pool.query<{ result: string | null }>('SELECT result FROM outbox.republish_request ORDER BY id')).rows.map(
      ({ result }) => result,
    );

  it('answers what an operator asks for in SQL, found or gone', async () => {
    const id = await publish(pool, 'stream-1');
    await relayAll();
    const gone = '00000000-0000-4000-8000-0000000000ff';
    await pool.query(
      `INSERT INTO outbox.republish_request (event_id, reason) VALUES ($1, 'by hand'), ($2, 'by hand')`,
      [id, gone],
    );
    await republisher.runOnce();
    expect(arrivals.map(({ eventId }) => eventId)).toEqual([id, id]);
    expect(await results()).toEqual(['published', 'gone']);
  });

  it('leaves a request open when Kafka does not acknowledge', async () => {
    const id = await publish(pool, 'stream-1');
    await relayAll();
    await pool.query(`INSERT INTO outbox.republish_request (event_id, reason) VALUES ($1, 'by hand')`, [id]);
    republisher.publishWith(() => Promise.reject(new Error('no broker')));
    await expect(republisher.runOnce()).rejects.toThrow('no broker');
    expect(await results()).toEqual([null]);
  });

  it('is the business of who holds the shard, also when that changes in between', async () => {
    const id = await publish(pool, 'stream-1');
    await relayAll();
    await pool.query(`INSERT INTO outbox.republish_request (event_id, reason) VALUES ($1, 'by hand')`, [id]);
    republisher.publishWith(async (rows) => {
      append(rows);
      await pool.query(`UPDATE outbox.shard SET holder = 'somebody else'`);
    });
    await republisher.runOnce();
    expect(await results()).toEqual([null]);
    expect((await republisher.runOnce()).nextInMs).toBeGreaterThan(100);
    expect(arrivals).toHaveLength(2);
  });
});

describe('the gap healer', () => {
  const commands = async () =>
    (await pool.query('SELECT kind, sequence, requested_by, reason, stream_id FROM waybill.operator_command')).rows;

  it('has the missing events of a lane published again, however far back they lie', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) {
      ids.push(await publish(pool, 'stream-1'));
      for (let other = 0; other < 10; other++) await publish(pool, `other-${other}`);
    }
    await relayAll();
    await receive(arrivals.filter(({ eventId }) => eventId !== ids[1] && eventId !== ids[2]));
    await heal();
    expect((await requested()).toSorted()).toEqual([ids[1], ids[2]].toSorted());
    expect(await commands()).toEqual([]);
    // Asked for: the lane is left alone until the records may have come.
    await heal();
    expect(await requested()).toHaveLength(2);
    await answerRequests();
    const { rows } = await pool.query(`SELECT delivered FROM waybill.lane WHERE stream_id = 'stream-1'`);
    expect(rows).toEqual([{ delivered: 3 }]);
  });

  it('says that an event is lost when the outbox has it no more, once', async () => {
    const ids = [await publish(pool, 'stream-1'), await publish(pool, 'stream-1'), await publish(pool, 'stream-1')];
    await relayAll();
    await receive(arrivals.filter(({ eventId }) => eventId !== ids[1]));
    await pool.query('DELETE FROM outbox.event WHERE event_id = $1', [ids[1]]);
    await heal();
    expect(await requested()).toEqual([]);
    expect(await commands()).toEqual([
      {
        kind: 'event_lost',
        sequence: 2,
        requested_by: 'reconciler',
        stream_id: 'stream-1',
        reason: 'the outbox has no row for sequence 2, and 3 waits',
      },
    ]);
    newHealing();
    await heal();
    expect(await commands()).toHaveLength(1);
  });

  it('leaves a gap alone that is younger than its age, and the gaps of other relays', async () => {
    const ids = [await publish(pool, 'stream-1'), await publish(pool, 'stream-1')];
    await relayAll();
    await receive(arrivals.filter(({ eventId }) => eventId !== ids[0]));
    await pool.query('UPDATE waybill.lane SET blocked_since = now()');
    await heal();
    expect(await requested()).toEqual([]);
    await pool.query(`UPDATE waybill.lane SET blocked_since = now() - interval '1 min'`);
    await pool.query(`UPDATE outbox.shard SET holder = 'somebody else'`);
    await heal();
    expect(await requested()).toEqual([]);
    expect(await findGaps(pool, { minAgeMs: 5_000, limit: 10, after: null })).toMatchObject([
      { endpointId: ENDPOINT, streamId: 'stream-1', delivered: 0, nextWaiting: 2 },
    ]);
  });
});
