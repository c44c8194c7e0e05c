import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { operations } from './operations.ts';
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

/** Two halted lanes and an open one, a delivery that waits with one failed attempt; and six entries in the trail. */
beforeAll(async () => {
  for (const number of [1, 2, 3, 4, 5, 6])
    await api.call('PUT', `/v1/tenants/more-${number}`, { body: { name: 'More' } });
  const ids = `'01900000-0000-7000-8000-00000000000e', '01900000-0000-7000-8000-00000000000a'`;
  await api.pool.query(`
    INSERT INTO waybill.lane (endpoint_id, stream_id, tenant_id, partition, delivered, state, blocked_since)
    SELECT '01900000-0000-7000-8000-00000000000e', n, 'bank-a', 1, 0, CASE n WHEN 's3' THEN 'open' ELSE 'halted' END, now()
      FROM unnest('{s1,s2,s3}'::text[]) n;
    INSERT INTO waybill.delivery (endpoint_id, event_id, tenant_id, stream_id, event_type, partition, state, payload, occurred_at,
      enqueued_at) VALUES (${ids}, 'bank-a', 's1', 'X', 1, 'parked', '{}', now(), now());
    INSERT INTO waybill.attempt (endpoint_id, event_id, enqueued_at, epoch, number, outcome, started_at, duration_ms,
      request_headers) VALUES (${ids}, now(), 1, 1, 'failure', now(), 12, '{}')`);
});

const lastAudit = async () => (await api.call('GET', '/v1/audit?limit=1')).body.items[0];

describe('the rest', () => {
  it('shows the catalogue, the trail, the tokens and the counters in their documented shapes', async () => {
    const eventTypes = listOf(view.eventTypeView).parse((await api.call('GET', '/v1/event-types')).body);
    expect(eventTypes.items.find(({ type }) => type === 'ONBOARDING_REJECTED')?.meanings?.codes).toHaveProperty(
      'KYC_DENIAL',
    );
    expect(listOf(view.auditEntryView).parse((await api.call('GET', '/v1/audit')).body).items.length).toBeGreaterThan(
      5,
    );
    listOf(view.tokenView).parse((await api.call('GET', '/v1/tokens')).body);
    const stats = view.statsView.parse((await api.call('GET', '/v1/stats')).body);
    expect(stats).toMatchObject({ lanes: { halted: 2, open: 1 }, waiting: { parked: 1 } });
    expect(stats.attemptsPerMinute).toMatchObject([{ success: 0, failure: 1, unknown: 0 }]);
    const token = await api.tokenFor('viewer', 'bank-b');
    const ofTenant = view.statsView.parse((await api.call('GET', '/v1/stats', { token })).body);
    expect(ofTenant).toMatchObject({
      lanes: { halted: 0, open: null },
      waiting: { parked: 0 },
      attemptsPerMinute: null,
    });
  });

  it('pages through the trail', async () => {
    const first = await api.call('GET', '/v1/audit?limit=3');
    const second = await api.call('GET', `/v1/audit?limit=3&cursor=${first.body.nextCursor}`);
    const ids = [...first.body.items, ...second.body.items].map(({ id }: { id: number }) => id);
    expect(ids).toEqual(ids.toSorted((a, b) => b - a));
    expect(new Set(ids).size).toBe(6);
    const tenants = await api.call('GET', '/v1/audit?action=tenant.created&target=tenant:bank-b');
    expect(tenants.body.items).toHaveLength(1);
  });

  it('creates no token without a role, nor with one that does not exist', async () => {
    const answer = await api.call('POST', '/v1/tokens', { body: { name: '', role: 'root' } });
    expect(answer.body.errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['#/name', '#/role']);
    const created = await api.call('POST', '/v1/tokens', { body: { name: 'x', role: 'support', tenantId: 'bank-a' } });
    view.createdTokenView.parse(created.body);
    expect(await lastAudit()).toMatchObject({
      action: 'token.created',
      details: { role: 'support', tenantId: 'bank-a' },
    });
  });

  it('leaves the names of later operations free', async () => {
    for (const path of [
      '/v1/replays',
      '/v1/endpoints/x/rotate-secret',
      '/v1/endpoints/x/test',
      '/v1/deliveries/x/replay',
    ]) {
      const answer = await api.call('POST', path, { body: {} });
      expect(answer).toMatchObject({ status: 404, body: { title: 'Not Found' } });
    }
    expect((await api.call('GET', '/elsewhere', { token: null })).status).toBe(404);
  });

  it('says 413 to a body that is too large and 415 to one that is no JSON', async () => {
    const name = 'x'.repeat(70_000);
    expect((await api.call('PUT', '/v1/tenants/bank-z', { body: { name } })).status).toBe(413);
    const headers = { 'content-type': 'text/plain' };
    expect((await api.call('PUT', '/v1/tenants/bank-z', { body: 'x', headers })).status).toBe(415);
  });

  it('gives every request an id, a line without its query, and a point in the histogram', async () => {
    const answer = await api.call('GET', '/v1/deliveries?userId=user-77', { headers: { 'x-request-id': 'mine-1' } });
    expect(answer.headers['x-request-id']).toBe('mine-1');
    const line = api.logLines.find(({ requestId }) => requestId === 'mine-1');
    expect(line).toMatchObject({
      method: 'GET',
      path: '/v1/deliveries',
      status: 200,
      actor: 'bootstrap',
      durationMs: expect.any(Number),
    });
    expect(JSON.stringify(api.logLines)).not.toContain('user-77');
    const bad = await api.call('GET', '/v1/deliveries', { headers: { 'x-request-id': 'a b\nc' } });
    expect(bad.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(await api.metrics()).toContain(
      'waybill_http_request_duration_seconds_count{method="GET",route="/v1/deliveries",status="200"}',
    );
  });

  it('documents every operation, and the webhooks', async () => {
    const { body } = await api.call('GET', '/v1/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    const documented = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(documented.toSorted()).toEqual(operations.map(({ method, path }) => `${method} ${path}`).toSorted());
    expect(Object.keys(body.webhooks)).toContain('TRANSACTION_CREATED');
    const limit = body.paths['/v1/deliveries'].get.parameters.find(({ name }: { name: string }) => name === 'limit');
    expect(limit).toMatchObject({ in: 'query', required: false, schema: { type: 'integer', maximum: 200 } });
    expect(
      body.paths['/v1/tenants/{tenantId}/endpoints'].post.requestBody.content['application/json'].schema.required,
    ).toEqual(['url']);
  });
});
