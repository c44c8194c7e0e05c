// Endpoints in the database: made, changed and deleted together with their routes, read without their secrets.
import { type EntityManager, IsNull, MoreThan } from 'typeorm';
import { generateSecret, secretFault } from '#signing';
import { EndpointEntity, type EndpointRow, TenantEntity } from './entities.ts';
import type { FieldFault } from './field-fault.ts';
import {
  type EndpointPatch,
  type EndpointSettings,
  type NewEndpoint,
  settingsFaults,
  type UrlGuard,
  withoutUndefined,
} from './input.ts';
import { removeRoutes, replaceRoutes } from './routes.ts';
import type { SecretBox, SecretPlace } from './secret-box.ts';
import { uuidV7 } from './uuid.ts';

/** What may be shown of an endpoint: everything but its secrets. */
export interface Endpoint extends EndpointSettings {
  id: string;
  tenantId: string;
  authHeader: { name: string } | null;
  disabledReason: string | null;
  revision: number;
  createdAt: Date;
  changedAt: Date;
}

export type Created = { outcome: 'created'; endpoint: Endpoint; secret: string } | { outcome: 'no_such_tenant' };
export type Changed =
  | { outcome: 'changed'; endpoint: Endpoint; fields: string[] }
  | { outcome: 'not_found' }
  | { outcome: 'invalid'; faults: FieldFault[] };

/** Run it in a transaction: the endpoint and its routes appear together. `secret` is in the answer this once. */
export async function createEndpoint(
  manager: EntityManager,
  secretBox: SecretBox,
  creation: { tenantId: string; input: NewEndpoint; nowMs: number },
): Promise<Created> {
  const { tenantId, input, nowMs } = creation;
  if (!(await manager.existsBy(TenantEntity, { id: tenantId }))) return { outcome: 'no_such_tenant' };
  const id = uuidV7(nowMs);
  const { authHeader, secret = generateSecret(input.format, input.secretEncoding), ...settings } = input;
  const place = (field: SecretPlace['field']): SecretPlace => ({ tenantId, endpointId: id, field });
  await manager.insert(EndpointEntity, {
    ...settings,
    id,
    tenantId,
    secret: secretBox.seal(secret, place('secret')),
    authHeaderName: authHeader?.name ?? null,
    authHeaderValue: authHeader ? secretBox.seal(authHeader.value, place('auth_header_value')) : null,
    disabledReason: input.enabled ? null : 'operator',
  });
  await replaceRoutes(manager, { tenantId, endpointId: id, eventTypes: input.eventTypes });
  return { outcome: 'created', endpoint: viewOf(await manager.findOneByOrFail(EndpointEntity, { id })), secret };
}

/** Merges a change (RFC 7396) into the endpoint under its row lock. Run it in a transaction. */
export async function changeEndpoint(
  manager: EntityManager,
  { secretBox, guard }: { secretBox: SecretBox; guard: UrlGuard },
  change: { id: string; patch: EndpointPatch },
): Promise<Changed> {
  const { id } = change;
  const row = await manager.findOne(EndpointEntity, {
    where: { id, deletedAt: IsNull() },
    lock: { mode: 'pessimistic_write' },
  });
  if (!row) return { outcome: 'not_found' };
  const fields = Object.keys(withoutUndefined(change.patch));
  if (fields.length === 0) return { outcome: 'changed', endpoint: viewOf(row), fields };
  const { authHeader, ...given } = withoutUndefined(change.patch);
  const merged: EndpointRow = { ...row, ...given };
  // A URL that nobody touches is not judged again: the guard's settings may have changed since.
  const faults = settingsFaults(merged, 'url' in given ? guard : { checkUrl: () => null });
  faults.push(...keptSecretFaults(row, merged, secretBox));
  if (faults.length > 0) return { outcome: 'invalid', faults };

  const changes: Partial<EndpointRow> = { ...given };
  if (authHeader !== undefined) {
    const place: SecretPlace = { tenantId: row.tenantId, endpointId: id, field: 'auth_header_value' };
    changes.authHeaderName = authHeader?.name ?? null;
    changes.authHeaderValue = authHeader ? secretBox.seal(authHeader.value, place) : null;
  }
  if (given.enabled !== undefined) changes.disabledReason = given.enabled ? null : (row.disabledReason ?? 'operator');
  await manager.update(EndpointEntity, id, {
    ...changes,
    revision: row.revision + 1,
    changedAt: () => 'clock_timestamp()',
  });
  if ('eventTypes' in given) {
    await replaceRoutes(manager, { tenantId: row.tenantId, endpointId: id, eventTypes: merged.eventTypes });
  }
  const endpoint = viewOf(await manager.findOneByOrFail(EndpointEntity, { id }));
  return { outcome: 'changed', endpoint, fields };
}

/** Deletes softly, in the caller's transaction: nothing more is enqueued for it from its commit on. Null when there is none. */
export async function deleteEndpoint(manager: EntityManager, id: string): Promise<{ tenantId: string } | null> {
  const row = await manager.findOne(EndpointEntity, {
    where: { id, deletedAt: IsNull() },
    lock: { mode: 'pessimistic_write' },
  });
  if (!row) return null;
  await removeRoutes(manager, id);
  await manager.update(EndpointEntity, id, {
    deletedAt: () => 'clock_timestamp()',
    changedAt: () => 'clock_timestamp()',
    revision: row.revision + 1,
  });
  return { tenantId: row.tenantId };
}

/** An endpoint that is not deleted. */
export async function findEndpoint(manager: EntityManager, id: string): Promise<Endpoint | null> {
  const row = await manager.findOneBy(EndpointEntity, { id, deletedAt: IsNull() });
  return row && viewOf(row);
}

/** A tenant's endpoints in the order of their creation. */
export async function listEndpoints(
  manager: EntityManager,
  page: { tenantId: string; limit: number; afterId?: string },
): Promise<Endpoint[]> {
  const rows = await manager.find(EndpointEntity, {
    where: {
      tenantId: page.tenantId,
      deletedAt: IsNull(),
      ...(page.afterId === undefined ? {} : { id: MoreThan(page.afterId) }),
    },
    order: { id: 'ASC' },
    take: page.limit,
  });
  return rows.map(viewOf);
}

/** Another format or encoding must still suit the secret that the endpoint has. */
function keptSecretFaults(row: EndpointRow, merged: EndpointRow, secretBox: SecretBox): FieldFault[] {
  if (merged.format === row.format && merged.secretEncoding === row.secretEncoding) return [];
  const field = merged.format === row.format ? 'secretEncoding' : 'format';
  const opened = secretBox.open(row.secret, { tenantId: row.tenantId, endpointId: row.id, field: 'secret' });
  if (!opened.ok) return [{ field, detail: 'the stored secret does not open, so it cannot be checked against this' }];
  const fault = secretFault(merged.format, opened.text, merged.secretEncoding);
  return fault === null ? [] : [{ field, detail: `does not suit the endpoint's secret: ${fault}` }];
}

function viewOf(row: EndpointRow): Endpoint {
  const { secret, previousSecret, previousSecretUntil, authHeaderName, authHeaderValue, deletedAt, ...visible } = row;
  return { ...visible, authHeader: authHeaderName === null ? null : { name: authHeaderName } };
}
