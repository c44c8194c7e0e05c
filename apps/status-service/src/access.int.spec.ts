import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Role, ROLES } from '#audit/admin';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { operations } from './operations.ts';
import { may } from './roles.ts';
import { ADMIN_TOKEN, migrate, startTestApi, type TestApi } from './testing.ts';

let database: TestDatabase;
let api: TestApi;
let endpointOfA: string;

beforeAll(async () => {
  database = await createTestDatabase({ migrate, template: 'status-service' });
  api = await startTestApi(database.url);
  for (const tenant of ['bank-a', 'bank-b']) await api.call('PUT', `/v1/tenants/${tenant}`, { body: { name: tenant } });
  const created = await api.call('POST', '/v1/tenants/bank-a/endpoints', { body: { url: 'https://a.example/' } });
  endpointOfA = created.body.id;
});

afterAll(async () => {
  await api.close();
  await database.drop();
});

const anyId = '01900000-0000-7000-8000-000000000000';
const exampleOf = (path: string) => path.replace('{tenantId}', 'bank-a').replaceAll(/\{\w+\}/g, anyId);

describe('a caller', () => {
  it.each([
    ['nothing', {}],
    ['another scheme', { authorization: `Basic ${ADMIN_TOKEN}` }],
    ['an unknown token', { authorization: 'Bearer wbt_unknown' }],
    ['the beginning of the right token', { authorization: `Bearer ${ADMIN_TOKEN.slice(0, -1)}` }],
    ['an empty token', { authorization: 'Bearer ' }],
  ])('who brings %s is asked for a token', async (_what, headers) => {
    const answer = await api.call('GET', '/v1/tenants', { token: null, headers });
    expect(answer).toMatchObject({ status: 401, body: { title: 'Unauthorized', status: 401 } });
    expect(answer.headers).toMatchObject({
      'www-authenticate': 'Bearer',
      'content-type': 'application/problem+json; charset=utf-8',
    });
  });

  it('is let in with the bootstrap token and with one from the table, until that is deleted', async () => {
    expect((await api.call('GET', '/v1/tenants')).status).toBe(200);
    const created = await api.call('POST', '/v1/tokens', { body: { name: 'ci', role: 'viewer' } });
    expect(created).toMatchObject({
      status: 201,
      body: { name: 'ci', role: 'viewer', tenantId: null, createdBy: 'bootstrap' },
    });
    const { token, id } = created.body;
    expect((await api.call('GET', '/v1/tenants', { token })).status).toBe(200);
    const listed = await api.call('GET', '/v1/tokens');
    expect(JSON.stringify(listed.body)).not.toContain(token);
    expect(listed.body.items).toContainEqual(expect.objectContaining({ id, lastUsedAt: expect.any(String) }));
    expect((await api.call('DELETE', `/v1/tokens/${id}`)).status).toBe(204);
    expect((await api.call('GET', '/v1/tenants', { token })).status).toBe(401);
    expect((await api.call('DELETE', `/v1/tokens/${id}`)).status).toBe(404);
  });

  it('may read the API document without a token', async () => {
    expect((await api.call('GET', '/v1/openapi.json', { token: null })).status).toBe(200);
  });
});

describe('the table of rights', () => {
  it.each(ROLES.flatMap((role) => [null, 'bank-a'].map((tenantId): [Role, string | null] => [role, tenantId])))(
    'is kept for the role %s of tenant %s',
    async (role, tenantId) => {
      const token = await api.tokenFor(role, tenantId ?? undefined);
      const caller = { actor: 'x', role, tenantId };
      for (const { method, path, right } of operations) {
        const { status } = await api.call(method, exampleOf(path), { token, body: method === 'GET' ? undefined : {} });
        const allowed = right === 'public' || may(caller, right);
        expect([`${method} ${path}`, status === 403]).toEqual([`${method} ${path}`, !allowed]);
      }
    },
  );

  it('reads as intended', async () => {
    const rights = (role: Role, tenantId: string | null) =>
      operations
        .filter(({ right }) => right !== 'public' && may({ actor: 'x', role, tenantId }, right))
        .map(({ id }) => id);
    expect(rights('admin', null)).toHaveLength(operations.length - 1);
    const changing = (role: Role, tenantId: string | null) =>
      operations
        .filter(({ method, id }) => method !== 'GET' && rights(role, tenantId).includes(id))
        .map(({ id }) => id);
    const operating = ['createEndpoint', 'changeEndpoint', 'deleteEndpoint', 'retryHalted', 'retryLane', 'skipHead'];
    expect(changing('operator', null)).toEqual(operating);
    expect(changing('admin', 'bank-a')).toEqual(operating);
    for (const role of ['support', 'viewer', 'auditor'] as const) expect(changing(role, null)).toEqual([]);
    expect(rights('auditor', null)).toContain('listAuditEntries');
    expect(rights('viewer', null)).not.toContain('listAuditEntries');
    expect(rights('admin', 'bank-a')).not.toContain('listTokens');
  });
});

describe('a token that is bound to a tenant', () => {
  it('sees nothing of another one: 404, as for what never existed', async () => {
    const token = await api.tokenFor('admin', 'bank-b');
    const status = async (method: string, path: string, body?: object) =>
      (await api.call(method, path, { token, body })).status;
    expect(await status('GET', `/v1/endpoints/${endpointOfA}`)).toBe(404);
    expect(await status('PATCH', `/v1/endpoints/${endpointOfA}`, { enabled: false })).toBe(404);
    expect(await status('DELETE', `/v1/endpoints/${endpointOfA}`)).toBe(404);
    expect(await status('POST', `/v1/endpoints/${endpointOfA}/retry-halted`, { reason: 'x' })).toBe(404);
    expect(await status('GET', '/v1/tenants/bank-a/endpoints')).toBe(404);
    expect(await status('POST', '/v1/tenants/bank-a/endpoints', { url: 'https://b.example/' })).toBe(404);
    expect((await api.call('GET', `/v1/endpoints/${endpointOfA}`)).body).toMatchObject({ enabled: true, revision: 1 });
  });

  it('lists its own tenant only', async () => {
    const token = await api.tokenFor('auditor', 'bank-b');
    const items = async (path: string) => (await api.call('GET', path, { token })).body.items;
    expect(await items('/v1/tenants')).toMatchObject([{ id: 'bank-b' }]);
    expect(await items('/v1/tenants/bank-b/endpoints')).toEqual([]);
    expect(await items('/v1/audit')).toMatchObject([{ action: 'tenant.created', tenantId: 'bank-b' }]);
    expect(await items('/v1/audit?tenantId=bank-a')).toEqual([]);
  });

  it('can create endpoints of its own', async () => {
    const token = await api.tokenFor('operator', 'bank-b');
    const created = await api.call('POST', '/v1/tenants/bank-b/endpoints', {
      token,
      body: { url: 'https://b.example/' },
    });
    expect(created).toMatchObject({ status: 201, body: { tenantId: 'bank-b' } });
  });
});
