import { randomBytes } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool, type Pool } from '#database';
import { openDataSource, runMigrations } from '#database/typeorm';
import { AddressGuard } from '#http-delivery';
import { outboxMigrations } from '#outbox';
import { createTestDatabase, type TestDatabase } from '#testkit';
import {
  changeEndpoint,
  checkNewEndpoint,
  createEndpoint,
  deleteEndpoint,
  endpointsEntities,
  findEndpoint,
  listEndpoints,
  listTenants,
  putTenant,
} from './admin.ts';
import {
  endpointsMigrations,
  findChangedEndpointPolicies,
  findEndpointPolicies,
  findEndpointRevisions,
  pauseEndpoint,
  SecretBox,
} from './index.ts';

const guard = new AddressGuard({ allowHttp: false, allowedCidrs: [], allowedPorts: [443] });
const secretBox = new SecretBox([{ id: 'k1', key: randomBytes(32) }]);
const migrate = (url: string) => runMigrations(url, [...outboxMigrations({ shards: 4 }), ...endpointsMigrations]);
const neverRecorded = () => Promise.reject(new Error('nothing to record'));

let database: TestDatabase;
let source: DataSource;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate, template: 'endpoints' });
  pool = createPool({ url: database.url, applicationName: 'test', max: 3 });
  source = await openDataSource({ url: database.url, applicationName: 'test', entities: endpointsEntities, max: 3 });
  await putTenant(source.manager, 'bank-a', { name: 'Bank A' });
  await putTenant(source.manager, 'bank-b', { name: 'Bank B' });
});

afterAll(async () => {
  await source.destroy();
  await pool.end();
  await database.drop();
});

async function create(given: object = {}, tenantId = 'bank-a') {
  const checked = checkNewEndpoint({ url: 'https://receiver.example/', ...given }, guard);
  if (!checked.ok) throw new Error(JSON.stringify(checked.faults));
  const created = await source.transaction((manager) =>
    createEndpoint(manager, secretBox, { tenantId, input: checked.value, nowMs: Date.now() }),
  );
  if (created.outcome !== 'created') throw new Error(created.outcome);
  return created;
}

const change = (id: string, patch: object) =>
  source.transaction((manager) => changeEndpoint(manager, { secretBox, guard }, { id, patch }));

async function routesOf(endpointId: string): Promise<string[]> {
  const { rows } = await pool.query<{ event_type: string }>(
    'SELECT event_type FROM outbox.route WHERE endpoint_id = $1 ORDER BY 1',
    [endpointId],
  );
  return rows.map((row) => row.event_type);
}

async function policyOf(id: string, box = secretBox) {
  const [policy] = await findEndpointPolicies(pool, box, [id]);
  return policy!;
}

describe('entities', () => {
  it('have the columns of the migrations, with the same types and nulls', async () => {
    for (const { tableName, columns } of source.entityMetadatas) {
      const { rows } = await pool.query<{ name: string; type: string; nullable: boolean }>(
        `SELECT attname AS name, format_type(atttypid, NULL) AS type, NOT attnotnull AS nullable FROM pg_attribute
          WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attname`,
        [`waybill.${tableName}`],
      );
      const mapped = columns.map((column) => ({
        name: column.databaseName,
        type: source.driver.normalizeType(column) + (column.isArray ? '[]' : ''),
        nullable: column.isNullable,
      }));
      expect(mapped.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(rows);
    }
  });
});

describe('tenants', () => {
  it('are created once and renamed after that', async () => {
    expect(await putTenant(source.manager, 'bank-c', { name: 'C' })).toMatchObject({ created: true });
    const again = await putTenant(source.manager, 'bank-c', { name: 'C' });
    expect(again).toMatchObject({ created: false, tenant: { id: 'bank-c', name: 'C' } });
    const renamed = await putTenant(source.manager, 'bank-c', { name: 'C2' });
    expect(renamed.tenant.name).toBe('C2');
    expect(renamed.tenant.changedAt.getTime()).toBeGreaterThanOrEqual(again.tenant.changedAt.getTime());
  });

  it('are listed page by page, or only one of them', async () => {
    const first = await listTenants(source.manager, { limit: 2 });
    expect(first.map(({ id }) => id)).toEqual(['bank-a', 'bank-b']);
    const rest = await listTenants(source.manager, { limit: 2, afterId: 'bank-b' });
    expect(rest.map(({ id }) => id)).toEqual(['bank-c']);
    expect(await listTenants(source.manager, { limit: 2, afterId: 'bank-b', onlyId: 'bank-b' })).toEqual([]);
    expect(await listTenants(source.manager, { limit: 2, onlyId: 'bank-b' })).toHaveLength(1);
  });
});

describe('an endpoint', () => {
  it('is created with its routes, and shows its secret only then', async () => {
    const { endpoint, secret } = await create({ eventTypes: ['B', 'A'], authHeader: { name: 'X-Key', value: 'k-1' } });
    expect(await routesOf(endpoint.id)).toEqual(['A', 'B']);
    expect(endpoint).toMatchObject({ revision: 1, authHeader: { name: 'X-Key' }, disabledReason: null });
    const read = await findEndpoint(source.manager, endpoint.id);
    expect(JSON.stringify(read)).not.toContain(secret);
    expect(JSON.stringify(read)).not.toContain('k-1');
    const { rows } = await pool.query(`SELECT e::text AS row FROM waybill.endpoint e WHERE id = $1`, [endpoint.id]);
    expect(JSON.stringify(rows)).not.toContain(secret);
    expect(await policyOf(endpoint.id)).toMatchObject({ secret, authHeader: { name: 'X-Key', value: 'k-1' } });
  });

  it('gets every type when it names none, and keeps a secret of its own', async () => {
    const { endpoint, secret } = await create({ secret: 'a-secret-that-I-brought' });
    expect(await routesOf(endpoint.id)).toEqual(['*']);
    expect(secret).toBe('a-secret-that-I-brought');
  });

  it('needs its tenant', async () => {
    const checked = checkNewEndpoint({ url: 'https://receiver.example/' }, guard);
    if (!checked.ok) throw new Error('bad input');
    const creation = { tenantId: 'nobody', input: checked.value, nowMs: Date.now() };
    expect(await createEndpoint(source.manager, secretBox, creation)).toEqual({ outcome: 'no_such_tenant' });
  });

  it('is changed only where the change says so, and its revision grows', async () => {
    const { endpoint, secret } = await create({ description: 'before', authHeader: { name: 'X-Key', value: 'k' } });
    const changed = await change(endpoint.id, { timeoutMs: 2_000 });
    expect(changed).toMatchObject({
      outcome: 'changed',
      fields: ['timeoutMs'],
      endpoint: { timeoutMs: 2_000, description: 'before', revision: 2, authHeader: { name: 'X-Key' } },
    });
    expect(await policyOf(endpoint.id)).toMatchObject({ secret, timeoutMs: 2_000, revision: 2 });
    await change(endpoint.id, { authHeader: null, description: null });
    expect(await policyOf(endpoint.id)).not.toHaveProperty('authHeader');
    expect(await findEndpoint(source.manager, endpoint.id)).toMatchObject({ description: null, authHeader: null });
  });

  it('stays as it is when a change says nothing', async () => {
    const { endpoint } = await create();
    expect(await change(endpoint.id, {})).toEqual({ outcome: 'changed', endpoint, fields: [] });
  });

  it('keeps its routes while it is paused and says who paused it', async () => {
    const { endpoint } = await create({ eventTypes: ['A'] });
    expect(await change(endpoint.id, { enabled: false })).toMatchObject({
      endpoint: { enabled: false, disabledReason: 'operator' },
    });
    expect(await routesOf(endpoint.id)).toEqual(['A']);
    expect(await change(endpoint.id, { enabled: true })).toMatchObject({ endpoint: { disabledReason: null } });
  });

  it('moves its routes with its types', async () => {
    const { endpoint } = await create({ eventTypes: ['A', 'B'] });
    await change(endpoint.id, { eventTypes: ['B', 'C'] });
    expect(await routesOf(endpoint.id)).toEqual(['B', 'C']);
    await change(endpoint.id, { eventTypes: null });
    expect(await routesOf(endpoint.id)).toEqual(['*']);
  });

  it('refuses a change that breaks a rule with what was there before', async () => {
    const { endpoint } = await create({ initialDelayMs: 1_000, maxDelayMs: 2_000 });
    const fieldsOf = async (patch: object) => {
      const outcome = await change(endpoint.id, patch);
      return outcome.outcome === 'invalid' ? outcome.faults.map(({ field }) => field) : outcome.outcome;
    };
    expect(await fieldsOf({ maxDelayMs: 500 })).toEqual(['maxDelayMs']);
    expect(await fieldsOf({ url: 'https://10.0.0.1/' })).toEqual(['url']);
    expect(await fieldsOf({ format: 'standard-webhooks' })).toEqual(['format']);
    expect((await policyOf(endpoint.id)).revision).toBe(1);
  });

  it('is gone for everybody but the consumer once it is deleted', async () => {
    const { endpoint } = await create({ eventTypes: ['A'] });
    expect(await source.transaction((manager) => deleteEndpoint(manager, endpoint.id))).toEqual({ tenantId: 'bank-a' });
    expect(await findEndpoint(source.manager, endpoint.id)).toBeNull();
    expect(await routesOf(endpoint.id)).toEqual([]);
    expect(await policyOf(endpoint.id)).toMatchObject({ deleted: true, revision: 2 });
    expect(await source.transaction((manager) => deleteEndpoint(manager, endpoint.id))).toBeNull();
    expect(await change(endpoint.id, { enabled: false })).toEqual({ outcome: 'not_found' });
  });

  it('is listed with its tenant, in the order of creation', async () => {
    const ids = [(await create({}, 'bank-b')).endpoint.id, (await create({}, 'bank-b')).endpoint.id].toSorted();
    const first = await listEndpoints(source.manager, { tenantId: 'bank-b', limit: 1 });
    expect(first.map(({ id }) => id)).toEqual([ids[0]]);
    const rest = await listEndpoints(source.manager, { tenantId: 'bank-b', limit: 5, afterId: ids[0]! });
    expect(rest.map(({ id }) => id)).toEqual([ids[1]]);
  });
});

describe('policies', () => {
  it('say so when a secret was moved from another tenant', async () => {
    const victim = await create({}, 'bank-a');
    const thief = await create({}, 'bank-b');
    await pool.query(
      'UPDATE waybill.endpoint SET secret = (SELECT secret FROM waybill.endpoint WHERE id = $2) WHERE id = $1',
      [thief.endpoint.id, victim.endpoint.id],
    );
    expect(await policyOf(thief.endpoint.id)).toMatchObject({
      secret: null,
      secretFault: 'secret does not open: damaged',
    });
  });

  it('say so when the master key is missing', async () => {
    const { endpoint } = await create();
    const otherBox = new SecretBox([{ id: 'k2', key: randomBytes(32) }]);
    expect(await policyOf(endpoint.id, otherBox)).toMatchObject({
      secret: null,
      secretFault: expect.stringContaining('unknown_key'),
    });
  });

  it('carry the previous secret only while the overlap lasts', async () => {
    const { endpoint } = await create();
    const sealed = secretBox.seal('the-old-secret', {
      tenantId: 'bank-a',
      endpointId: endpoint.id,
      field: 'previous_secret',
    });
    const overlap = (interval: string) =>
      pool.query(
        'UPDATE waybill.endpoint SET previous_secret = $2, previous_secret_until = now() + $3::interval WHERE id = $1',
        [endpoint.id, sealed, interval],
      );
    await overlap('1 hour');
    expect(await policyOf(endpoint.id)).toMatchObject({
      previousSecret: 'the-old-secret',
      previousSecretUntilAt: expect.any(Number),
    });
    await overlap('-1 second');
    expect(await policyOf(endpoint.id)).not.toHaveProperty('previousSecret');
  });

  it('tell which endpoints changed lately, and only what is news', async () => {
    const { endpoint } = await create();
    const lookBackMs = 60_000;
    expect(await findEndpointRevisions(pool, { lookBackMs })).toContainEqual({ id: endpoint.id, revision: 1 });
    await pool.query(`UPDATE waybill.endpoint SET changed_at = now() - interval '2 minutes' WHERE id <> $1`, [
      endpoint.id,
    ]);
    const ask = (revision: number | undefined) =>
      findChangedEndpointPolicies(pool, secretBox, { lookBackMs, knownRevision: () => revision });
    expect((await ask(undefined)).map(({ id }) => id)).toEqual([endpoint.id]);
    expect(await ask(1)).toEqual([]);
    await change(endpoint.id, { enabled: false });
    expect(await ask(1)).toMatchObject([{ id: endpoint.id, revision: 2, enabled: false }]);
  });

  it('pause an endpoint once, with an entry in the same transaction', async () => {
    const { endpoint } = await create();
    const entries: object[] = [];
    const pause = (recordPause: Parameters<typeof pauseEndpoint>[1]['recordPause']) =>
      pauseEndpoint(pool, { endpointId: endpoint.id, reason: 'answered 410', recordPause });
    await expect(pause(neverRecorded)).rejects.toThrow('nothing to record');
    expect(await policyOf(endpoint.id)).toMatchObject({ enabled: true, revision: 1 });
    const record = (_db: unknown, entry: object) => Promise.resolve(void entries.push(entry));
    expect(await pause(record)).toBe(true);
    expect(await pause(neverRecorded)).toBe(false);
    expect(entries).toEqual([
      {
        actor: 'delivery-consumer',
        action: 'endpoint.paused',
        target: `endpoint:${endpoint.id}`,
        tenantId: 'bank-a',
        reason: 'answered 410',
      },
    ]);
    expect(await findEndpoint(source.manager, endpoint.id)).toMatchObject({
      enabled: false,
      disabledReason: 'answered 410',
    });
  });

  it('find nothing for ids that never existed', async () => {
    expect(await findEndpointPolicies(pool, secretBox, ['01900000-0000-7000-8000-000000000000'])).toEqual([]);
    expect(await findEndpointPolicies(pool, secretBox, [])).toEqual([]);
  });
});
