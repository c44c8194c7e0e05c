import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { migrate, startTestApi, type TestApi } from './testing.ts';
import { listOf } from './views.ts';
import * as view from './views.ts';

let database: TestDatabase;
let api: TestApi;

beforeAll(async () => {
  database = await createTestDatabase({ migrate, template: 'status-service' });
  api = await startTestApi(database.url);
  for (const tenant of ['bank-a', 'bank-b']) await api.call('PUT', `/v1/tenants/${tenant}`, { body: { name: tenant } });
});

afterAll(async () => {
  await api.close();
  await database.drop();
});

async function createEndpoint() {
  return (await api.call('POST', '/v1/tenants/bank-a/endpoints', { body: { url: 'https://r.example/' } })).body;
}

const lastAudit = async () => (await api.call('GET', '/v1/audit?limit=1')).body.items[0];

describe('lanes', () => {
  let endpointId: string;
  const path = (streamId: string, verb: string) => `/v1/lanes/${endpointId}/${encodeURIComponent(streamId)}/${verb}`;

  beforeAll(async () => {
    endpointId = (await createEndpoint()).id;
    await api.pool.query(
      `INSERT INTO waybill.lane (endpoint_id, stream_id, tenant_id, partition, delivered, state, attempts, blocked_since, reason)
       VALUES ($1, 's/1', 'bank-a', 5, 2, 'halted', 11, now() - interval '1 hour', 'exhausted'),
              ($1, 's/2', 'bank-a', 6, 0, 'halted', 11, now(), 'exhausted'), ($1, 's/3', 'bank-a', 7, 9, 'open', 0, NULL, NULL)`,
      [endpointId],
    );
    await wait('s/1', 3);
    await wait('s/2', 1);
  });

  /** A delivery that waits on a lane. */
  async function wait(streamId: string, sequence: number): Promise<string> {
    const { rows } = await api.pool.query<{ event_id: string }>(
      `INSERT INTO waybill.delivery (endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state, payload,
         occurred_at, enqueued_at) VALUES ($1, gen_random_uuid(), 'bank-a', $2, $3, 'X', 5, 'parked', '{}', now(), now())
       RETURNING event_id`,
      [endpointId, streamId, sequence],
    );
    return rows[0]!.event_id;
  }

  const laneOf = async (streamId: string) =>
    (await api.call('GET', `/v1/lanes?streamId=${encodeURIComponent(streamId)}`)).body.items[0];

  it('are listed when they are blocked, or for one endpoint', async () => {
    const blocked = await api.call('GET', '/v1/lanes?state=halted');
    expect(listOf(view.laneView).parse(blocked.body).items).toMatchObject([
      { streamId: 's/1', headSequence: 3, ageSeconds: expect.closeTo(3_600, -2), reason: 'exhausted' },
      { streamId: 's/2', headSequence: 1 },
    ]);
    const all = await api.call('GET', `/v1/lanes?endpointId=${endpointId}&limit=2`);
    const rest = await api.call('GET', `/v1/lanes?endpointId=${endpointId}&limit=2&cursor=${all.body.nextCursor}`);
    expect(rest.body).toMatchObject({
      items: [{ streamId: 's/3', state: 'open', headSequence: null }],
      nextCursor: null,
    });
    expect((await api.call('GET', '/v1/lanes?state=open')).body.errors).toMatchObject([{ field: 'state' }]);
    expect((await api.call('GET', '/v1/lanes?cursor=x')).body.errors).toMatchObject([{ field: 'cursor' }]);
    const token = await api.tokenFor('viewer', 'bank-b');
    expect((await api.call('GET', '/v1/lanes', { token })).body.items).toEqual([]);
  });

  it('take a retry of their head, and wake their owner', async () => {
    api.records.length = 0;
    const answer = await api.call('POST', path('s/1', 'retry'), { body: { sequence: 3, reason: 'receiver mended' } });
    expect(answer.status).toBe(202);
    view.commandView.parse(answer.body);
    await api.settled();
    expect(api.records).toMatchObject([{ topic: 'test.retry', partition: 5, key: 's/1' }]);
    expect(JSON.parse(String(api.records[0]!.value))).toMatchObject({
      kind: 'command',
      endpointId,
      streamId: 's/1',
      headSequence: 3,
    });
    expect(await lastAudit()).toMatchObject({
      action: 'lane.retry',
      target: `lane:${endpointId}/s/1`,
      reason: 'receiver mended',
      details: { sequence: 3 },
    });
  });

  it('take a skip of their head', async () => {
    const token = await api.tokenFor('operator', 'bank-a');
    const answer = await api.call('POST', path('s/1', 'skip'), {
      token,
      body: { sequence: 3, reason: 'customer agreed' },
    });
    expect(answer).toMatchObject({ status: 202, body: { kind: 'skip', streamId: 's/1', sequence: 3 } });
    const { rows } = await api.pool.query('SELECT kind, partition FROM waybill.operator_command WHERE id = $1', [
      answer.body.id,
    ]);
    expect(rows).toEqual([{ kind: 'skip', partition: 5 }]);
  });

  it('refuse a command for what is not their head', async () => {
    const wrong = await api.call('POST', path('s/1', 'skip'), { body: { sequence: 4, reason: 'x' } });
    expect(wrong).toMatchObject({ status: 409, body: { headSequence: 3, state: 'halted' } });
    const open = await api.call('POST', path('s/3', 'retry'), { body: { sequence: 10, reason: 'x' } });
    expect(open).toMatchObject({ status: 409, body: { headSequence: null, state: 'open' } });
    expect((await lastAudit()).action).toBe('lane.skip');
  });

  it('refuse a command without a reason, and one for a lane that is not there', async () => {
    const answer = await api.call('POST', path('s/1', 'skip'), { body: { sequence: 'x', reason: ' ' } });
    expect(answer.status).toBe(422);
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['#/sequence', '#/reason']);
    const body = { sequence: 1, reason: 'x' };
    expect((await api.call('POST', path('nowhere', 'skip'), { body })).status).toBe(404);
    const token = await api.tokenFor('admin', 'bank-b');
    expect((await api.call('POST', path('s/1', 'skip'), { token, body })).status).toBe(404);
  });

  it('take a skip of a sequence that has no record, when later ones wait', async () => {
    await api.pool.query(
      `INSERT INTO waybill.lane (endpoint_id, stream_id, tenant_id, partition, delivered, state, blocked_since, reason)
       VALUES ($1, 's/lost', 'bank-a', 5, 2, 'halted', now(), 'event_lost')`,
      [endpointId],
    );
    const body = { sequence: 3, reason: 'gone for good' };
    const refused = await api.call('POST', path('s/lost', 'skip'), { body });
    expect(refused).toMatchObject({ status: 409, body: { detail: expect.stringContaining('nothing waits') } });
    await wait('s/lost', 5);
    expect(await laneOf('s/lost')).toMatchObject({
      headSequence: 3,
      headEventId: null,
      depth: 1,
      reason: 'event_lost',
    });
    expect((await api.call('POST', path('s/lost', 'skip'), { body })).status).toBe(202);
    await api.pool.query(`DELETE FROM waybill.operator_command WHERE stream_id = 's/lost';
      DELETE FROM waybill.lane WHERE stream_id = 's/lost'`);
  });

  it('refuse a skip when they are in conflict: their head is not the event that was refused', async () => {
    await api.pool.query(`UPDATE waybill.lane SET reason = 'sequence_conflict' WHERE stream_id = 's/2'`);
    const answer = await api.call('POST', path('s/2', 'skip'), { body: { sequence: 1, reason: 'x' } });
    expect(answer).toMatchObject({ status: 409, body: { reason: 'sequence_conflict', headSequence: 1 } });
    await api.pool.query(`UPDATE waybill.lane SET reason = 'exhausted' WHERE stream_id = 's/2'`);
  });

  it('say what is known of them: the head that waits, no instant that nobody can tell, and whether anybody owns them', async () => {
    const eventId = await wait('s/closed', 10);
    await api.pool.query(
      `INSERT INTO waybill.lane (endpoint_id, stream_id, tenant_id, partition, delivered, state, blocked_since, reason, next_attempt_at)
       VALUES ($1, 's/closed', 'bank-a', 5, 9, 'parked', now(), 'endpoint_closed', now())`,
      [endpointId],
    );
    await api.pool.query(`INSERT INTO waybill.partition_owner VALUES (5, 'dead', 1, now() - interval '1 s')`);
    const known = { headSequence: 10, headEventId: eventId, depth: 1 };
    expect(await laneOf('s/closed')).toMatchObject({ ...known, nextAttemptAt: null, hasOwner: false });
    await api.pool.query(`UPDATE waybill.lane SET reason = 'failed' WHERE stream_id = 's/closed'`);
    await api.pool.query(`UPDATE waybill.partition_owner SET lease_until = now() + interval '1 min'`);
    expect(await laneOf('s/closed')).toMatchObject({ ...known, nextAttemptAt: expect.any(String), hasOwner: true });
    await api.pool.query(`DELETE FROM waybill.lane WHERE stream_id = 's/closed'`);
  });

  it('are woken all at once when their endpoint is mended', async () => {
    api.records.length = 0;
    const answer = await api.call('POST', `/v1/endpoints/${endpointId}/retry-halted`, { body: { reason: 'mended' } });
    // s/1 waits for its retry already.
    expect(answer).toMatchObject({ status: 202, body: { endpointId, lanes: 1 } });
    await api.settled();
    expect(api.records.map(({ key }) => key)).toEqual(['s/2']);
    expect(await lastAudit()).toMatchObject({
      action: 'endpoint.retry_halted',
      reason: 'mended',
      details: { lanes: 1 },
    });
    expect((await api.call('POST', `/v1/endpoints/${endpointId}/retry-halted`, { body: {} })).status).toBe(422);
  });
});

describe('a service without its database or Kafka', () => {
  it('answers 503 and when to come again, and tells nothing of the inside', async () => {
    const lost = await startTestApi(database.url, { poolUrl: 'postgresql://nobody@127.0.0.1:1/none' });
    const answer = await lost.call('GET', '/v1/deliveries');
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '2' } });
    expect(JSON.stringify(answer.body)).not.toMatch(/127\.0\.0\.1|ECONN/);
    await lost.close();
  });

  it('accepts commands while Kafka is away', async () => {
    const deaf = await startTestApi(database.url, { send: () => Promise.reject(new Error('no broker')) });
    const [lane] = (await deaf.call('GET', '/v1/lanes?state=halted')).body.items;
    const body = { sequence: lane.headSequence, reason: 'x' };
    const path = `/v1/lanes/${lane.endpointId}/${encodeURIComponent(lane.streamId)}/skip`;
    expect((await deaf.call('POST', path, { body })).status).toBe(202);
    await deaf.settled();
    expect(deaf.logLines.some(({ level, commands }) => level === 'warn' && commands === 1)).toBe(true);
    await deaf.close();
  });
});
