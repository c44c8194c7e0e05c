import { createHash } from 'node:crypto';
import type { DataSource } from 'typeorm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createPool, type Pool, withTransaction } from '#database';
import { openDataSource, runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { auditEntities, createToken, deleteToken, findTokenBySecret, listAuditEntries, listTokens } from './admin.ts';
import { auditMigrations, writeAuditEntry } from './index.ts';

const migrate = (url: string) => runMigrations(url, auditMigrations);

let database: TestDatabase;
let source: DataSource;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate, template: 'audit' });
  pool = createPool({ url: database.url, applicationName: 'test', max: 2 });
  source = await openDataSource({ url: database.url, applicationName: 'test', entities: auditEntities, max: 2 });
});

afterAll(async () => {
  await source.destroy();
  await pool.end();
  await database.drop();
});

const create = (over: object = {}) =>
  createToken(source.manager, { name: 'ci', role: 'viewer', tenantId: null, createdBy: 'bootstrap', ...over });

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
        type: source.driver.normalizeType(column),
        nullable: column.isNullable,
      }));
      expect(mapped.toSorted((a, b) => (a.name < b.name ? -1 : 1))).toEqual(
        rows.map((row) => ({ ...row, type: row.type.replace('timestamptz', 'timestamp with time zone') })),
      );
    }
  });
});

describe('a token', () => {
  it('is found by its secret, of which only a hash is kept', async () => {
    const { token, secret } = await create({ role: 'support', tenantId: 'bank-a' });
    expect(secret).toMatch(/^wbt_[\w-]{43}$/);
    expect(await findTokenBySecret(source.manager, secret)).toMatchObject({
      id: token.id,
      role: 'support',
      tenantId: 'bank-a',
    });
    const { rows } = await pool.query<{ token_hash: Buffer; row: string }>(
      'SELECT token_hash, t::text AS row FROM waybill.token t WHERE id = $1',
      [token.id],
    );
    expect(rows[0]!.token_hash).toEqual(createHash('sha256').update(secret).digest());
    expect(rows[0]!.row).not.toContain(secret);
  });

  it('is not found by another secret, nor by its own cut short', async () => {
    const { secret } = await create();
    for (const other of ['', 'wbt_', secret.slice(0, -1), `${secret}x`, secret.toUpperCase(), secret.slice(4)]) {
      expect(await findTokenBySecret(source.manager, other)).toBeNull();
    }
  });

  it('notes when it was last used, but not at every use', async () => {
    const { token, secret } = await create();
    const lastUsed = async () => (await listTokens(source.manager, { limit: 100 })).find(({ id }) => id === token.id);
    expect((await lastUsed())?.lastUsedAt).toBeNull();
    await findTokenBySecret(source.manager, secret);
    const first = (await lastUsed())?.lastUsedAt;
    expect(first).toBeInstanceOf(Date);
    await findTokenBySecret(source.manager, secret);
    expect((await lastUsed())?.lastUsedAt).toEqual(first);
  });

  it('ends when it is deleted', async () => {
    const { token, secret } = await create();
    expect(await deleteToken(source.manager, token.id)).toMatchObject({ id: token.id, name: 'ci' });
    expect(await findTokenBySecret(source.manager, secret)).toBeNull();
    expect(await deleteToken(source.manager, token.id)).toBeNull();
  });

  it('is listed page by page, without its hash', async () => {
    await create({ tenantId: 'bank-z' });
    const mine = await listTokens(source.manager, { limit: 10, tenantId: 'bank-z' });
    expect(mine).toHaveLength(1);
    expect(mine[0]).not.toHaveProperty('tokenHash');
    const all = await listTokens(source.manager, { limit: 100 });
    const rest = await listTokens(source.manager, { limit: 100, afterId: all[0]!.id });
    expect(rest.map(({ id }) => id)).toEqual(all.slice(1).map(({ id }) => id));
  });
});

describe('the audit trail', () => {
  it('takes entries from a client and from an entity manager, and gives them back newest first', async () => {
    const entry = { actor: 'token:1', role: 'admin', action: 'tenant.put', target: 'tenant:a', tenantId: 'a' };
    await writeAuditEntry(pool, { ...entry, reason: 'because', details: { name: 'A' } });
    await source.transaction((manager) => writeAuditEntry(manager, { actor: 'relay', action: 'x.done', target: 'y' }));
    const entries = await listAuditEntries(source.manager, { limit: 10 });
    expect(entries).toMatchObject([
      { actor: 'relay', role: 'service', tenantId: null, reason: null, details: null },
      { ...entry, reason: 'because', details: { name: 'A' } },
    ]);
    expect(await listAuditEntries(source.manager, { limit: 10, beforeId: entries[0]!.id })).toHaveLength(1);
    expect(await listAuditEntries(source.manager, { limit: 10, tenantId: 'a', from: new Date(0) })).toHaveLength(1);
    expect(await listAuditEntries(source.manager, { limit: 10, action: 'x.done', to: new Date(0) })).toHaveLength(0);
  });

  it('keeps nothing of a transaction that was rolled back', async () => {
    const attempt = withTransaction(pool, async (client) => {
      await writeAuditEntry(client, { actor: 'a', action: 'never.done', target: 'b' });
      throw new Error('no');
    });
    await expect(attempt).rejects.toThrow('no');
    expect(await listAuditEntries(source.manager, { limit: 10, action: 'never.done' })).toEqual([]);
  });

  it.each([
    "UPDATE waybill.audit_entry SET actor = 'nobody'",
    'DELETE FROM waybill.audit_entry',
    'TRUNCATE waybill.audit_entry',
  ])('refuses %s', async (statement) => {
    await expect(pool.query(statement)).rejects.toThrow('append-only');
  });
});
