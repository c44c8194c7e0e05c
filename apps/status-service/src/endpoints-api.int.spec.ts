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

async function createEndpoint(body: object = {}, tenantId = 'bank-a') {
  const created = await api.call('POST', `/v1/tenants/${tenantId}/endpoints`, {
    body: { url: 'https://r.example/', ...body },
  });
  expect(created.status).toBe(201);
  return created.body;
}

const lastAudit = async () => (await api.call('GET', '/v1/audit?limit=1')).body.items[0];

describe('tenants', () => {
  it('are put, and put again', async () => {
    const first = await api.call('PUT', '/v1/tenants/bank-x', { body: { name: 'X' } });
    expect(first.status).toBe(200);
    view.tenantView.parse(first.body);
    expect(await lastAudit()).toMatchObject({
      action: 'tenant.created',
      target: 'tenant:bank-x',
      actor: 'bootstrap',
      role: 'admin',
    });
    const again = await api.call('PUT', '/v1/tenants/bank-x', { body: { name: 'X' } });
    expect(again.body).toEqual(first.body);
  });

  it('are listed page by page', async () => {
    const first = await api.call('GET', '/v1/tenants?limit=2');
    expect(first.body.items.map(({ id }: { id: string }) => id)).toEqual(['bank-a', 'bank-b']);
    const rest = await api.call('GET', `/v1/tenants?limit=2&cursor=${first.body.nextCursor}`);
    expect(listOf(view.tenantView).parse(rest.body).items[0]?.id).toBe('bank-x');
    expect(rest.body.nextCursor).toBeNull();
  });

  it.each([
    ['a body that is no JSON', '{"name":', 400, []],
    ['an empty name', { name: ' ' }, 422, ['#/name']],
    ['an unknown field and a missing one', { nom: 'X' }, 422, ['#/name', '#/nom']],
    ['no object', [], 422, ['#']],
  ])('are refused with %s', async (_what, body, status, pointers) => {
    const answer = await api.call('PUT', '/v1/tenants/bank-y', { body });
    expect(answer.status).toBe(status);
    view.problemView.parse(answer.body);
    const errors: { pointer: string }[] = answer.body.errors ?? [];
    expect(errors.map(({ pointer }) => pointer)).toEqual(pointers);
  });

  it('are refused with an id that nobody could publish for', async () => {
    const answer = await api.call('PUT', '/v1/tenants/bank%20y', { body: { name: 'Y' } });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'tenantId' }] } });
  });
});

describe('endpoints', () => {
  it('are created with a secret that is shown this once', async () => {
    const created = await createEndpoint({
      eventTypes: ['CARD_3DS'],
      authHeader: { name: 'X-Api-Key', value: 'key-of-mine' },
    });
    view.createdEndpointView.parse(created);
    const read = await api.call('GET', `/v1/endpoints/${created.id}`);
    const { secret, ...shown } = created;
    expect(secret.length).toBeGreaterThanOrEqual(32);
    expect(read.body).toEqual(shown);
    const everything = JSON.stringify([
      read.body,
      (await api.call('GET', '/v1/tenants/bank-a/endpoints')).body,
      (await api.call('GET', '/v1/audit')).body,
      api.logLines,
    ]);
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain('key-of-mine');
    expect(await lastAudit()).toMatchObject({
      action: 'endpoint.created',
      target: `endpoint:${created.id}`,
      tenantId: 'bank-a',
    });
  });

  it.each([
    ['http://receiver.example/', 'no https'],
    ['https://127.0.0.1/', 'loopback'],
    ['https://2130706433/', 'loopback as a number'],
    ['https://169.254.169.254/latest/', 'the metadata service'],
    ['https://user:pw@receiver.example/', 'user info'],
    ['https://receiver.example:22/', 'a forbidden port'],
    ['nonsense', 'no URL'],
  ])('are refused at %s (%s)', async (url) => {
    const answer = await api.call('POST', '/v1/tenants/bank-a/endpoints', { body: { url } });
    expect(answer).toMatchObject({ status: 422, body: { errors: [{ field: 'url', pointer: '#/url' }] } });
  });

  it('name every field that is wrong', async () => {
    const body = {
      url: 'https://r.example/',
      timeoutMs: 5,
      maxRetries: 99,
      authHeader: { name: 'Host', value: 'x' },
      oops: 1,
    };
    const answer = await api.call('POST', '/v1/tenants/bank-a/endpoints', { body });
    expect(answer.status).toBe(422);
    const pointers = answer.body.errors.map(({ pointer }: { pointer: string }) => pointer).toSorted();
    expect(pointers).toEqual(['#/authHeader/name', '#/maxRetries', '#/oops', '#/timeoutMs']);
  });

  it('belong to a tenant that exists', async () => {
    const answer = await api.call('POST', '/v1/tenants/nobody/endpoints', { body: { url: 'https://r.example/' } });
    expect(answer).toMatchObject({ status: 404, body: { detail: 'there is no such tenant' } });
  });

  it('are changed by merging', async () => {
    const { id } = await createEndpoint({ description: 'mine' });
    const changed = await api.call('PATCH', `/v1/endpoints/${id}`, { body: { timeoutMs: 2_000, enabled: false } });
    expect(changed).toMatchObject({
      status: 200,
      body: { description: 'mine', timeoutMs: 2_000, enabled: false, disabledReason: 'operator', revision: 2 },
    });
    view.endpointView.parse(changed.body);
    expect(await lastAudit()).toMatchObject({
      action: 'endpoint.changed',
      details: { fields: ['timeoutMs', 'enabled'] },
    });
    const refused = await api.call('PATCH', `/v1/endpoints/${id}`, { body: { secret: 'a-new-secret-of-mine' } });
    expect(refused).toMatchObject({ status: 422, body: { errors: [{ pointer: '#/secret' }] } });
    expect((await api.call('PATCH', `/v1/endpoints/${id}`, { body: { maxDelayMs: 20 } })).status).toBe(422);
  });

  it('are gone when they are deleted', async () => {
    const { id } = await createEndpoint();
    expect(await api.call('DELETE', `/v1/endpoints/${id}`)).toMatchObject({ status: 204, body: null });
    expect(await lastAudit()).toMatchObject({ action: 'endpoint.deleted' });
    expect((await api.call('GET', `/v1/endpoints/${id}`)).status).toBe(404);
    expect((await api.call('DELETE', `/v1/endpoints/${id}`)).status).toBe(404);
    expect((await api.call('GET', '/v1/endpoints/no-uuid')).status).toBe(404);
  });

  it('are listed page by page', async () => {
    for (let made = 0; made < 3; made++) await createEndpoint({}, 'bank-b');
    const first = await api.call('GET', '/v1/tenants/bank-b/endpoints?limit=2');
    const rest = await api.call('GET', `/v1/tenants/bank-b/endpoints?limit=2&cursor=${first.body.nextCursor}`);
    listOf(view.endpointView).parse(rest.body);
    expect([first.body.items.length, rest.body.items.length, rest.body.nextCursor]).toEqual([2, 1, null]);
    const forged = Buffer.from(JSON.stringify(['endpoints', "'; DROP"])).toString('base64url');
    const answer = await api.call('GET', `/v1/tenants/bank-b/endpoints?cursor=${forged}`);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'cursor' }] } });
  });
});
