import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool, type Pool, type Queryable, withTransaction } from '#database';
import { runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase } from '#testkit';
import type { DeliveryFilter } from './delivery-arms.ts';
import { deliveriesMigrations, ensureDeliveryPartitions } from './migrations.ts';
import { deliveriesSql } from './queries.ts';
import {
  commandTicket,
  countAttemptsByMinute,
  countFinishedDeliveries,
  countLanes,
  countOpenDeliveries,
  deliveryId,
  type DeliveryPage,
  findDelivery,
  findLane,
  insertOperatorCommand,
  insertRetryOfHalted,
  listDeliveries,
  listLanes,
} from './reading.ts';

const NOW = Date.UTC(2026, 0, 31, 12);
const HISTORY = 20_000;
const OPEN = 2_000;

const migrate = async (url: string) => {
  await runMigrations(url, deliveriesMigrations);
  await fill(url);
};

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate, template: 'reading' });
  pool = createPool({ url: database.url, applicationName: 'test', max: 3 });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const uuid = (space: string, number: number) => `${space}0000000-0000-7000-8000-${String(number).padStart(12, '0')}`;
const endpoint = (number: number) => uuid('e', number);
const event = (number: number) => uuid('a', number);
const openEvent = (number: number) => uuid('b', number);

/** A month of records: 20 endpoints of 10 tenants, streams of 40 events, 1 in 50 not delivered; and lanes that wait. */
async function fill(url: string): Promise<void> {
  const loader = createPool({ url, applicationName: 'test', max: 1, statementTimeoutMs: 120_000 });
  await ensureDeliveryPartitions(loader, NOW);
  const keys = (id: string) => `
    ('e0000000-0000-7000-8000-' || lpad((i % 20)::text, 12, '0'))::uuid, ('${id}0000000-0000-7000-8000-' || lpad(i::text, 12, '0'))::uuid,
    'tenant-' || i % 20 / 2`;
  await loader.query(
    `INSERT INTO waybill.delivery_history (endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state,
       payload, occurred_at, enqueued_at, user_id, card_id, transaction_id, attempts, status_code, error_class, reason, finished_at)
     SELECT ${keys('a')}, 'stream-' || i % 500, i / 500 + 1, 'TYPE_' || i % 13, i % 12,
       CASE i % 200 WHEN 0 THEN 'exhausted' WHEN 50 THEN 'skipped' WHEN 100 THEN 'expired' ELSE 'delivered' END,
       '{"card_number":"4111"}', t, t, 'user-' || i % 700, CASE WHEN i % 3 = 0 THEN 'card-' || i % 900 END,
       CASE WHEN i % 5 = 0 THEN 'tx-' || i END, 1, CASE WHEN i % 50 = 0 THEN 500 + i % 4 ELSE 200 END,
       CASE WHEN i % 100 = 0 THEN 'timeout' END, CASE WHEN i % 200 = 50 THEN 'operator' END, t
     FROM generate_series(1, $1::int) i, LATERAL (SELECT $2::timestamptz - i * (interval '28 days' / $1::int) AS t) s`,
    [HISTORY, new Date(NOW)],
  );
  await loader.query(
    `INSERT INTO waybill.delivery (endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state, payload,
       occurred_at, enqueued_at, user_id, status_code, error_class, attempts, next_attempt_at)
     SELECT ${keys('b')}, 'waiting-' || i % 100, i / 100 + 1, 'TYPE_' || i % 13, i % 12,
       CASE i % 10 WHEN 0 THEN 'exhausted' ELSE 'parked' END, '{}', t, t, 'user-' || i, 503, 'status', 2, t + interval '1 hour'
     FROM generate_series(0, $1::int - 1) i, LATERAL (SELECT $2::timestamptz - i * interval '1 minute' AS t) s`,
    [OPEN, new Date(NOW)],
  );
  await loader.query(
    `INSERT INTO waybill.lane (endpoint_id, stream_id, tenant_id, partition, delivered, state, attempts, head_event_id,
       blocked_since, next_attempt_at, last_error_class, reason)
     SELECT endpoint_id, stream_id, min(tenant_id), min(partition), 0, CASE WHEN bool_or(state = 'exhausted') THEN 'halted' ELSE 'parked' END,
       2, min(event_id::text)::uuid, min(enqueued_at), min(next_attempt_at), 'status', 'failed'
     FROM waybill.delivery GROUP BY endpoint_id, stream_id`,
  );
  await loader.query(
    `INSERT INTO waybill.lane (endpoint_id, stream_id, tenant_id, partition, delivered, state)
     SELECT endpoint_id, stream_id, min(tenant_id), min(partition), max(sequence), 'open'
     FROM waybill.delivery_history GROUP BY endpoint_id, stream_id`,
  );
  await loader.query(
    `INSERT INTO waybill.attempt (endpoint_id, event_id, enqueued_at, epoch, number, outcome, started_at, duration_ms,
       request_headers, status_code, error_class)
     SELECT endpoint_id, event_id, enqueued_at, 1, n, CASE WHEN n = 1 THEN 'failure' ELSE 'success' END,
       enqueued_at + n * interval '1 second', 12, '{"x":"y"}', 200, NULL
     FROM waybill.delivery_history, generate_series(1, 2) n WHERE enqueued_at > $1::timestamptz - interval '1 day'`,
    [new Date(NOW)],
  );
  await loader.query('ANALYZE');
  await loader.end();
}

const newest: DeliveryPage = { order: 'desc', limit: 50 };

async function everything(filter: DeliveryFilter, page: DeliveryPage) {
  const items = [];
  let cursor: string | undefined;
  do {
    const read = await listDeliveries(pool, filter, { ...page, ...(cursor === undefined ? {} : { cursor }) });
    items.push(...read.items);
    cursor = read.nextCursor ?? undefined;
  } while (cursor !== undefined);
  return items;
}

const filters: [string, DeliveryFilter, number][] = [
  ['tenantId', { tenantId: 'tenant-3' }, HISTORY / 10 + OPEN / 10],
  ['endpointId', { endpointId: endpoint(7) }, HISTORY / 20 + OPEN / 20],
  ['eventType', { eventType: 'TYPE_5' }, 1_539 + 154],
  ['streamId', { streamId: 'stream-77' }, HISTORY / 500],
  ['state of waiting ones', { state: 'parked' }, (OPEN * 9) / 10],
  ['state of both tables', { state: 'exhausted' }, HISTORY / 200 + OPEN / 10],
  ['state of finished ones', { state: 'expired' }, HISTORY / 200],
  ['statusCode', { statusCode: 502 }, HISTORY / 100],
  ['errorClass', { errorClass: 'timeout' }, HISTORY / 100],
  ['userId', { userId: 'user-650' }, 28 + 1],
  ['cardId', { cardId: 'card-300' }, 22],
  ['transactionId', { transactionId: 'tx-500' }, 1],
  ['several', { tenantId: 'tenant-3', eventType: 'TYPE_5', statusCode: 200 }, 154],
  ['search by the beginning of a stream', { search: 'stream-77' }, HISTORY / 500],
  ['search by the beginning of a transaction', { search: 'tx-1999' }, 2],
  ['search by an event', { search: event(123) }, 1],
  ['search by a waiting event', { search: openEvent(123) }, 1],
  ['search by a delivery', { search: deliveryId({ endpointId: endpoint(3), eventId: event(123) }) }, 1],
  ['search for what is not there', { search: 'nothing-like-it' }, 0],
  ['search for % as a letter', { search: 'stream%' }, 0],
];

describe('a list of deliveries', () => {
  it.each(filters)('finds by %s', async (_name, filter, expected) => {
    const items = await everything(filter, { order: 'desc', limit: 500 });
    expect(items).toHaveLength(expected);
    expect(new Set(items.map(({ id }) => id)).size).toBe(expected);
  });

  it.each(['asc', 'desc'] as const)('pages through everything once, in the order %s', async (order) => {
    const filter: DeliveryFilter = { tenantId: 'tenant-3' };
    const paged = await everything(filter, { order, limit: 171 });
    const whole = await everything(filter, { order, limit: 100_000 });
    expect(paged).toEqual(whole);
    const instants = paged.map(({ enqueuedAt }) => enqueuedAt);
    expect(instants).toEqual(order === 'asc' ? instants.toSorted() : instants.toSorted().toReversed());
  });

  it('shows the newest first when nothing is asked for, from both tables', async () => {
    const { items, nextCursor } = await listDeliveries(pool, {}, { order: 'desc', limit: 100 });
    expect(items).toHaveLength(100);
    expect(nextCursor).not.toBeNull();
    expect(new Set(items.map(({ state }) => state))).toContain('parked');
    expect(new Set(items.map(({ state }) => state))).toContain('delivered');
  });

  it('keeps to its time span, the end excluded', async () => {
    const [first, second, third] = (await listDeliveries(pool, { streamId: 'stream-77' }, newest)).items;
    const between = { streamId: 'stream-77', from: third!.enqueuedAt, to: first!.enqueuedAt };
    expect((await everything(between, newest)).map(({ id }) => id)).toEqual([second!.id, third!.id]);
  });

  it('refuses the cursor of another order, and anything else', async () => {
    const { nextCursor } = await listDeliveries(pool, {}, newest);
    const read = (cursor: string) => listDeliveries(pool, {}, { order: 'asc', limit: 5, cursor });
    await expect(read(nextCursor!)).rejects.toThrow(RangeError);
    await expect(read('nonsense')).rejects.toThrow(RangeError);
  });

  it.each<[string, DeliveryFilter]>([
    ...filters.map(([name, filter]): [string, DeliveryFilter] => [name, filter]),
    ['nothing', {}],
    ['a common state', { state: 'delivered' }],
  ])('reads by an index when it is asked for %s', async (_name, filter) => {
    const { text, values } = deliveriesSql(filter, { ...newest, after: undefined });
    expect(await sequentialScans(text, values)).toEqual([]);
  });
});

/** Tables with rows that the plan reads from end to end; empty partitions are not worth an index. */
async function sequentialScans(text: string, values: unknown[]): Promise<string[]> {
  interface Node {
    'Node Type': string;
    'Relation Name'?: string;
    Plans?: Node[];
  }
  const { rows } = await pool.query<{ 'QUERY PLAN': [{ Plan: Node }] }>(`EXPLAIN (FORMAT JSON) ${text}`, values);
  const nodes = (node: Node): Node[] => [node, ...(node.Plans ?? []).flatMap(nodes)];
  const scanned = nodes(rows[0]!['QUERY PLAN'][0].Plan)
    .filter((node) => node['Node Type'] === 'Seq Scan')
    .map((node) => node['Relation Name']!);
  const { rows: large } = await pool.query<{ relname: string }>(
    'SELECT relname FROM pg_class WHERE relname = ANY($1) AND reltuples > 1000',
    [scanned],
  );
  return large.map(({ relname }) => relname);
}

describe('one delivery', () => {
  it('is read with its payload and its attempts in order', async () => {
    const detail = await findDelivery(pool, { endpointId: endpoint(3), eventId: event(123) });
    expect(detail).toMatchObject({
      id: deliveryId({ endpointId: endpoint(3), eventId: event(123) }),
      state: 'delivered',
      payload: '{"card_number":"4111"}',
      attemptRecords: [
        { number: 1, outcome: 'failure', durationMs: 12, requestHeaders: '{"x":"y"}' },
        { number: 2, outcome: 'success' },
      ],
    });
    expect(detail!.enqueuedAt).toMatch(/^2026-01-31T\d\d:\d\d:\d\d\.\d{6}Z$/);
  });

  it('is found while it waits, and nowhere when there is none', async () => {
    const waiting = await findDelivery(pool, { endpointId: endpoint(3), eventId: openEvent(123) });
    expect(waiting).toMatchObject({ state: 'parked', finishedAt: null, attemptRecords: [] });
    expect(await findDelivery(pool, { endpointId: endpoint(4), eventId: event(123) })).toBeNull();
  });
});

describe('a list of lanes', () => {
  it('holds the blocked ones, those that wait longest first, page by page', async () => {
    const first = await listLanes(pool, {}, { limit: 60 });
    const second = await listLanes(pool, {}, { limit: 60, cursor: first.nextCursor! });
    const all = [...first.items, ...second.items];
    expect(second.nextCursor).toBeNull();
    expect(all).toHaveLength(100);
    expect(new Set(all.map((lane) => lane.streamId)).size).toBe(100);
    const since = all.map((lane) => lane.blockedSince!);
    expect(since).toEqual(since.toSorted());
    expect(all[0]).toMatchObject({
      headSequence: 1,
      attempts: 2,
      lastErrorClass: 'status',
      reason: 'failed',
      depth: 20,
    });
  });

  it('can be cut to a state, a tenant, an endpoint, a stream', async () => {
    const count = async (filter: object) => (await listLanes(pool, filter, { limit: 500 })).items.length;
    expect(await count({ state: 'halted' })).toBe(10);
    expect(await count({ state: 'parked' })).toBe(90);
    expect(await count({ state: 'parked', endpointId: endpoint(1) })).toBe(5);
    expect(await count({ tenantId: 'tenant-0' })).toBe(10);
    expect(await count({ endpointId: endpoint(1) })).toBe(5 + 25);
    expect(await count({ endpointId: endpoint(1), state: 'open' })).toBe(25);
    expect(await count({ endpointId: endpoint(1), tenantId: 'tenant-9' })).toBe(0);
    expect(await count({ streamId: 'stream-77' })).toBe(1);
  });

  it('pages through the lanes of an endpoint by their key', async () => {
    const filter = { endpointId: endpoint(1) };
    const first = await listLanes(pool, filter, { limit: 17 });
    const second = await listLanes(pool, filter, { limit: 17, cursor: first.nextCursor! });
    const streams = [...first.items, ...second.items].map((lane) => lane.streamId);
    expect(streams).toHaveLength(30);
    expect(streams).toEqual(streams.toSorted());
    await expect(listLanes(pool, {}, { limit: 17, cursor: first.nextCursor! })).rejects.toThrow(RangeError);
  });

  it('does not list the open lanes of everybody', async () => {
    await expect(listLanes(pool, { state: 'open' }, { limit: 10 })).rejects.toThrow(RangeError);
  });

  it('has no head for an open lane', async () => {
    const [lane] = (await listLanes(pool, { streamId: 'stream-77' }, { limit: 1 })).items;
    expect(lane).toMatchObject({ state: 'open', headSequence: null, depth: 0, blockedSince: null, ageSeconds: null });
    expect(await findLane(pool, lane!.endpointId, 'stream-77')).toEqual(lane);
    expect(await findLane(pool, lane!.endpointId, 'no-such-stream')).toBeNull();
  });
});

describe('an operator', () => {
  const ask = (over: object = {}, db: Queryable = pool) =>
    insertOperatorCommand(db, {
      endpointId: endpoint(1),
      streamId: 'waiting-1',
      kind: 'skip',
      sequence: 1,
      reason: 'customer asked',
      requestedBy: 'token:1',
      ...over,
    });

  it('commands the head of a blocked lane', async () => {
    const accepted = await ask();
    expect(accepted).toMatchObject({ outcome: 'accepted', command: { sequence: 1, streamId: 'waiting-1' } });
    const { rows } = await pool.query('SELECT kind, closed_at, requested_by FROM waybill.operator_command');
    expect(rows).toEqual([{ kind: 'skip', closed_at: null, requested_by: 'token:1' }]);
  });

  it('who sends a command again while it is open gets the same one, however many come at once', async () => {
    const lane = { endpointId: endpoint(1), streamId: 'waiting-1', kind: 'retry' } as const;
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => withTransaction(pool, (client) => ask(lane, client))),
    );
    expect(new Set(answers.map((answer) => answer.outcome === 'accepted' && answer.command.id)).size).toBe(1);
    await pool.query(`DELETE FROM waybill.operator_command WHERE kind = 'retry'`);
    const request = { endpointId: endpoint(0), reason: 'mended', requestedBy: 'token:1' };
    const rounds = await Promise.all(
      [1, 2, 3].map(() => withTransaction(pool, (client) => insertRetryOfHalted(client, request))),
    );
    expect(rounds.map(({ length }) => length).toSorted()).toEqual([0, 0, 5]);
    await pool.query(`DELETE FROM waybill.operator_command WHERE kind = 'retry'`);
  });

  it('is told when that is not the head, when the lane is open, and when there is no lane', async () => {
    expect(await ask({ sequence: 2 })).toEqual({ outcome: 'not_head', state: 'parked', headSequence: 1 });
    const open = { endpointId: endpoint(17), streamId: 'stream-77' };
    expect(await ask(open)).toEqual({ outcome: 'not_head', state: 'open', headSequence: null });
    expect(await ask({ streamId: 'nowhere' })).toEqual({ outcome: 'no_such_lane' });
  });

  it('retries all halted lanes of an endpoint, each once', async () => {
    const request = { endpointId: endpoint(0), reason: 'mended', requestedBy: 'token:1' };
    const commands = await insertRetryOfHalted(pool, request);
    expect(commands.map(({ streamId }) => streamId).toSorted()).toEqual([
      'waiting-0',
      'waiting-20',
      'waiting-40',
      'waiting-60',
      'waiting-80',
    ]);
    expect(await insertRetryOfHalted(pool, request)).toEqual([]);
  });

  it('wakes the owner with a ticket on the partition of the lane', () => {
    const command = { id: uuid('c', 1), endpointId: endpoint(1), streamId: 's', partition: 7, sequence: 12 };
    const { partition, key, value } = commandTicket(command, new Date(NOW));
    expect({ partition, key }).toEqual({ partition: 7, key: 's' });
    expect(JSON.parse(value)).toEqual({
      kind: 'command',
      endpointId: endpoint(1),
      streamId: 's',
      headSequence: 12,
      attempt: 0,
      notBefore: '2026-01-31T12:00:00.000Z',
    });
  });
});

describe('counters', () => {
  it('count lanes and waiting deliveries by state, of all or of one tenant', async () => {
    expect(await countLanes(pool)).toEqual({
      open: 500,
      parked: 90,
      halted: 10,
      oldestBlockedAt: NOW - (OPEN - 1) * 60_000,
    });
    expect(await countLanes(pool, { tenantId: 'tenant-1' })).toMatchObject({ open: null, parked: 10, halted: 0 });
    expect(await countOpenDeliveries(pool)).toEqual({ pending: 0, parked: 1_800, exhausted: 200 });
    expect(await countOpenDeliveries(pool, { tenantId: 'nobody' })).toEqual({ pending: 0, parked: 0, exhausted: 0 });
  });

  it('count finished deliveries and attempts of a span of time', async () => {
    const from = new Date(NOW - 86_400_000);
    const finished = await countFinishedDeliveries(pool, { from });
    expect(Object.values(finished).reduce((sum, count) => sum + count)).toBe(Math.floor(HISTORY / 28));
    const minutes = await countAttemptsByMinute(pool, new Date(NOW - 3_600_000));
    expect(minutes.length).toBeGreaterThan(10);
    expect(minutes.reduce((sum, { success, failure }) => sum + success + failure, 0)).toBe(58);
  });
});
