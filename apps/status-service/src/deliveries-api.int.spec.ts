import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deliveryId } from '#deliveries';
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

describe('deliveries', () => {
  const eventId = '01900000-0000-7000-8000-00000000000a';
  let endpointId: string;
  let id: string;

  beforeAll(async () => {
    endpointId = (await createEndpoint()).id;
    id = deliveryId({ endpointId, eventId });
    await api.pool.query(
      `INSERT INTO waybill.delivery (endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state, payload,
         occurred_at, enqueued_at, card_id, status_code, error_class, attempts)
       VALUES ($1, $2, 'bank-a', 'card/1', 1, 'CARD_3DS', 3, 'parked', $3, now(), now(), 'card/1', 503, 'status', 1)`,
      [endpointId, eventId, '{"card_id": "card-1", "verification_code": "777555", "amount": 12345678901234567890}'],
    );
    await api.pool.query(
      `INSERT INTO waybill.attempt (endpoint_id, event_id, enqueued_at, epoch, number, outcome, error_class, status_code,
         started_at, duration_ms, request_headers, response_headers, response_body)
       VALUES ($1, $2, now(), 1, 1, 'failure', 'status', 503, now(), 12, '{"X-Webhook-Attempt":"1"}', '{"server":"x"}', 'no')`,
      [endpointId, eventId],
    );
  });

  it('are found by each filter', async () => {
    for (const query of [
      `endpointId=${endpointId}`,
      'tenantId=bank-a',
      'eventType=CARD_3DS&state=parked',
      'streamId=card%2F1',
      'statusCode=503&errorClass=status',
      'cardId=card/1&from=2020-01-01T00:00:00Z&order=asc',
      'search=card',
      `search=${id}`,
      `search=${eventId}`,
      'limit=1',
    ]) {
      const answer = await api.call('GET', `/v1/deliveries?${query}`);
      expect([query, answer.body.items?.map((item: { id: string }) => item.id)]).toEqual([query, [id]]);
      listOf(view.deliveryView).parse(answer.body);
    }
    for (const query of ['state=delivered', 'userId=u', 'to=2020-01-01T00:00:00%2B02:00', 'tenantId=bank-b']) {
      expect((await api.call('GET', `/v1/deliveries?${query}`)).body).toEqual({ items: [], nextCursor: null });
    }
  });

  it.each([
    ['limit=0', 'limit'],
    ['limit=201', 'limit'],
    ['limit=x', 'limit'],
    ['state=open', 'state'],
    ['statusCode=99', 'statusCode'],
    ['endpointId=7', 'endpointId'],
    ['from=yesterday', 'from'],
    ['search=ab', 'search'],
    ['order=up', 'order'],
    ['cursor=xyz', 'cursor'],
    ['streamId=a&streamId=b', 'streamId'],
    ['tenant=bank-a', 'tenant'],
  ])('are not looked for by %s', async (query, field) => {
    const answer = await api.call('GET', `/v1/deliveries?${query}`);
    expect(answer.status).toBe(400);
    expect(answer.body.errors.map((error: { field: string }) => error.field)).toEqual([field]);
  });

  it('are a 400 with a NUL, which PostgreSQL cannot look up', async () => {
    expect((await api.call('GET', '/v1/deliveries?streamId=a%00b')).status).toBe(400);
  });

  it('are shown with their attempts and a masked payload', async () => {
    const answer = await api.call('GET', `/v1/deliveries/${id}`);
    expect(answer.status).toBe(200);
    view.deliveryDetailView.parse(answer.body);
    expect(answer.body).toMatchObject({
      payloadMasked: true,
      payload: { card_id: 'card-1', amount: '12345678901234567890' },
      attemptRecords: [
        { number: 1, statusCode: 503, requestHeaders: { 'X-Webhook-Attempt': '1' }, responseBody: 'no' },
      ],
    });
    expect(JSON.stringify(answer.body)).not.toContain('777555');
    expect(answer.body).not.toHaveProperty('payloadText');
  });

  it('are revealed to those who may, with an entry in the trail', async () => {
    const viewer = await api.tokenFor('viewer');
    expect((await api.call('GET', `/v1/deliveries/${id}?reveal=true`, { token: viewer })).status).toBe(403);
    const before = await lastAudit();
    expect(before.action).not.toBe('payload.revealed');
    const support = await api.tokenFor('support', 'bank-a');
    const answer = await api.call('GET', `/v1/deliveries/${id}?reveal=true`, { token: support });
    view.deliveryDetailView.parse(answer.body);
    expect(answer.body).toMatchObject({ payloadMasked: false, payload: { verification_code: '777555' } });
    expect(answer.body.payloadText).toContain('"amount": 12345678901234567890');
    expect(await lastAudit()).toMatchObject({ action: 'payload.revealed', role: 'support', target: `delivery:${id}` });
  });

  it('do not exist for another tenant, nor under another id', async () => {
    const token = await api.tokenFor('support', 'bank-b');
    const before = (await lastAudit()).id;
    expect((await api.call('GET', `/v1/deliveries/${id}?reveal=true`, { token })).status).toBe(404);
    expect((await lastAudit()).id).toBe(before);
    expect((await api.call('GET', '/v1/deliveries', { token })).body.items).toEqual([]);
    expect((await api.call('GET', '/v1/deliveries?tenantId=bank-a', { token })).body.items).toEqual([]);
    expect((await api.call('GET', `/v1/deliveries/${id}x`)).status).toBe(404);
    expect((await api.call('GET', `/v1/deliveries/${deliveryId({ endpointId, eventId: endpointId })}`)).status).toBe(
      404,
    );
  });
});
