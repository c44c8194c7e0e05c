// Checks that nothing that comes off the log can poison the state transaction, and that what is written is what was committed.
import { randomUUID } from 'node:crypto';
import { createPool, type Pool } from '#database';
import { runMigrations } from '#database/typeorm';
import { decodeRecord, encodeRecord, type WaybillEvent } from '#events';
import type { Delivery, LaneState } from '#lane';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AttemptRow, Batch, Finished, Waiting } from './batch.ts';
import { copyRecords, insertRecords } from './journal-statements.ts';
import { commitBatch } from './journal.ts';
import { deliveriesMigrations, fixTopicPartitions } from './migrations.ts';
import { acquirePartitions } from './ownership.ts';

const migrate = async (url: string) => {
  await runMigrations(url, deliveriesMigrations);
};

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate });
  pool = createPool({ url: database.url, applicationName: 'test', max: 3 });
  await fixTopicPartitions(pool, 1);
  await acquirePartitions(pool, 'me', 60_000, [0]);
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

const eventOf = (fields: Partial<WaybillEvent> = {}): WaybillEvent => ({
  eventId: randomUUID(),
  type: 'UNLISTED_TYPE',
  tenantId: 'tenant',
  streamId: `stream-${randomUUID()}`,
  occurredAt: '2026-01-02T03:04:05Z',
  enqueuedAt: '2026-01-02T03:04:05.123456Z',
  targets: [{ endpointId: randomUUID(), sequence: 1 }],
  payload: Buffer.from('{}'),
  ...fields,
});

const deliveryOf = (event: WaybillEvent): Delivery => ({
  event,
  ...event.targets[0]!,
  attempts: 1,
  attemptsEpoch: 1,
  firstAttemptAt: 1_767_323_045_000,
  last: { statusCode: 200, errorClass: null, startedAt: 1_767_323_045_000, durationMs: 1.5, isUnknown: false },
  stored: true,
  admittedAt: 0,
  positions: [],
});

const waiting = (event: WaybillEvent): Waiting => ({
  partition: 0,
  delivery: deliveryOf(event),
  state: 'parked',
  nextAttemptAt: null,
});
const finished = (event: WaybillEvent): Finished => ({
  partition: 0,
  delivery: deliveryOf(event),
  state: 'delivered',
  reason: null,
  finishedAt: 1_767_323_046_000,
});

const attemptOf = (event: WaybillEvent, number: number): AttemptRow => ({
  partition: 0,
  event,
  endpointId: event.targets[0]!.endpointId,
  epoch: 1,
  number,
  outcome: 'success',
  errorClass: null,
  statusCode: 200,
  startedAt: 1_767_323_045_000.25,
  durationMs: 1.5,
  counted: true,
  earlierAttemptsPossible: false,
  requestHeaders: '{}',
  responseHeaders: '{"date":"now"}',
  responseBody: null,
});

const commit = (batch: Partial<Batch>) =>
  commitBatch(
    pool,
    { holder: 'me', owned: [{ partition: 0, epoch: 1 }], renewMs: null },
    { inserted: [], updated: [], finished: [], attempts: [], lanes: [], commands: [], ...batch },
  );

describe('the state transaction', () => {
  it.each<[string, Partial<WaybillEvent>]>([
    ['a payload that is not JSON', { payload: Buffer.from('neither JSON nor sense') }],
    ['a card payload that is not JSON', { type: 'CARD_3DS', payload: Buffer.from('{') }],
    ['a payload of a scalar', { type: 'CARD_3DS', payload: Buffer.from('null') }],
    ['a payload with an escaped NUL', { payload: Buffer.from(String.raw`{"user_id":"a\u0000b"}`) }],
    ['a payload with lone surrogates', { payload: Buffer.from(String.raw`{"user_id":"\ud800"}`) }],
    ['a payload of 512 KiB', { payload: Buffer.from(JSON.stringify({ text: 'x'.repeat(524_000) })) }],
    ['the first day of the calendar', { occurredAt: '0001-01-01T00:00:00Z' }],
    ['the last one', { occurredAt: '9999-12-31T23:59:59.999999Z', enqueuedAt: '9999-12-31T23:59:59.999999Z' }],
    ['the longest names', { tenantId: 't'.repeat(200), streamId: 's'.repeat(200), type: 'T'.repeat(200) }],
    ['quotes and braces in names', { tenantId: `{"'},`, streamId: String.raw`\"NULL\"`, type: 'NULL' }],
    ['the greatest sequence', { targets: [{ endpointId: randomUUID(), sequence: Number.MAX_SAFE_INTEGER }] }],
    ['a fault with odd characters', { payloadFault: `/a: "wrong", {curly} \\ back\tslash` }],
  ])('takes %s, waiting and finished, as it came', async (_what, fields) => {
    const event = eventOf(fields);
    const { key, value, headers } = encodeRecord(event, 1);
    const decoded = decodeRecord({ key, value, headers });
    if (!decoded.ok) throw new Error(decoded.reason);
    await commit({ inserted: [waiting(decoded.event)] });
    const { rows } = await pool.query<{ payload: string; stream_id: string }>(
      'SELECT payload, stream_id FROM waybill.delivery WHERE event_id = $1',
      [event.eventId],
    );
    expect(rows).toEqual([{ payload: event.payload.toString(), stream_id: event.streamId }]);
    await commit({ finished: [finished(decoded.event)] });
    const history = await pool.query('SELECT payload FROM waybill.delivery_history WHERE event_id = $1', [
      event.eventId,
    ]);
    expect(history.rows).toEqual([{ payload: event.payload.toString() }]);
  });

  it.each<[string, Partial<WaybillEvent>]>([
    ['a NUL byte in a payload', { payload: Buffer.from('{"a":"\0"}') }],
    ['a NUL byte in a payload fault', { payloadFault: 'a\0b' }],
  ])('never sees %s: PostgreSQL would refuse the whole batch, for ever', (_what, fields) => {
    const { key, value, headers } = encodeRecord(eventOf(fields), 1);
    expect(decodeRecord({ key, value, headers })).toMatchObject({ ok: false });
  });

  it('keeps the bytes: numbers, key order and spacing', async () => {
    const event = eventOf({ payload: Buffer.from('{ "z": 12345678901234567890.10, "a":1,\n "ü": "€" }') });
    await commit({ inserted: [waiting(event)] });
    const { rows } = await pool.query<{ payload: Buffer }>(
      `SELECT convert_to(payload, 'UTF8') AS payload FROM waybill.delivery WHERE event_id = $1`,
      [event.eventId],
    );
    expect(rows[0]!.payload.equals(event.payload)).toBe(true);
  });

  it('finds the same row of the history when an event is finished again', async () => {
    const event = eventOf();
    await commit({ finished: [finished(event)] });
    await commit({ finished: [{ ...finished(event), state: 'skipped' }] });
    const { rows } = await pool.query('SELECT state FROM waybill.delivery_history WHERE event_id = $1', [
      event.eventId,
    ]);
    expect(rows).toEqual([{ state: 'delivered' }]);
  });

  it('adds what is missing when a batch is repeated with more in it', async () => {
    const [first, second] = [eventOf(), eventOf()];
    await commit({ finished: [finished(first)], attempts: [attemptOf(first, 1)] });
    const again = {
      finished: [finished(first), finished(second)],
      attempts: [attemptOf(first, 1), attemptOf(first, 2)],
    };
    await commit(again);
    await commit(again);
    const { rows } = await pool.query(
      `SELECT (SELECT count(*)::int FROM waybill.delivery_history WHERE event_id = ANY ($1)) AS finished,
              (SELECT array_agg(number ORDER BY number) FROM waybill.attempt WHERE event_id = ANY ($1)) AS attempts`,
      [[first.eventId, second.eventId]],
    );
    expect(rows).toEqual([{ finished: 2, attempts: [1, 2] }]);
  });

  it('writes the same rows by COPY and by INSERT', async () => {
    const events = [
      eventOf({ type: 'CARD_3DS', payload: Buffer.from('{"user_id":"u","card_id":"c","transaction_id":"t"}') }),
      eventOf({
        payloadFault: '/a: "wrong"',
        traceparent: '00-1',
        targets: [{ endpointId: randomUUID(), sequence: null }],
      }),
    ];
    const never = { ...finished(eventOf()), reason: 'endpoint_deleted' };
    never.delivery = { ...never.delivery, attempts: 0, firstAttemptAt: null, last: null };
    const attempts = [
      attemptOf(events[0]!, 1),
      { ...attemptOf(events[1]!, 2), responseHeaders: null, errorClass: 'timeout' },
    ];
    const client = await pool.connect();
    const written = async (write: typeof copyRecords) => {
      await client.query('BEGIN');
      await write(client, [...events.map(finished), never], attempts);
      const { rows } = await client.query(
        `SELECT to_json(h) AS row FROM waybill.delivery_history h WHERE event_id = ANY ($1)
         UNION ALL SELECT to_json(a) FROM waybill.attempt a WHERE event_id = ANY ($1)`,
        [[...events, never.delivery.event].map(({ eventId }) => eventId)],
      );
      await client.query('ROLLBACK');
      return rows;
    };
    const copied = await written(copyRecords);
    expect(copied).toHaveLength(5);
    expect(await written(insertRecords)).toEqual(copied);
    client.release();
  });

  it('writes all of a batch or none of it', async () => {
    const event = eventOf();
    const twice: LaneState = {
      endpointId: event.targets[0]!.endpointId,
      streamId: event.streamId,
      tenantId: event.tenantId,
      partition: 0,
      delivered: 0,
      mode: 'open',
      attempts: 0,
      nextAttemptAt: null,
      headEventId: null,
      blockedSince: null,
      lastErrorClass: null,
      reason: null,
    };
    await expect(commit({ inserted: [waiting(event)], lanes: [twice, twice] })).rejects.toThrow(/second time/);
    const { rows } = await pool.query('SELECT FROM waybill.delivery WHERE event_id = $1', [event.eventId]);
    expect(rows).toEqual([]);
  });
});
