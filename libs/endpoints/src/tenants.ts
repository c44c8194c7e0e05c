// Tenants in the database.
import { And, type EntityManager, Equal, MoreThan } from 'typeorm';
import { TenantEntity, type TenantRow } from './entities.ts';
import type { TenantInput } from './input.ts';

/** Creates or renames a tenant; the same call twice changes nothing. `created` tells which it was. */
export async function putTenant(
  manager: EntityManager,
  id: string,
  input: TenantInput,
): Promise<{ tenant: TenantRow; created: boolean }> {
  // xmax is 0 only for a row that this very statement inserted.
  const [row] = await manager.query<{ created: boolean }[]>(
    `INSERT INTO waybill.tenant AS t (id, name) VALUES ($1, $2)
     ON CONFLICT (id) DO UPDATE SET name = excluded.name,
       changed_at = CASE WHEN t.name = excluded.name THEN t.changed_at ELSE clock_timestamp() END
     RETURNING (xmax = 0) AS created`,
    [id, input.name],
  );
  return { tenant: await manager.findOneByOrFail(TenantEntity, { id }), created: row!.created };
}

/** Tenants by id, from after `afterId`; all, or only `onlyId`. */
export function listTenants(
  manager: EntityManager,
  page: { limit: number; afterId?: string; onlyId?: string },
): Promise<TenantRow[]> {
  const { limit, afterId, onlyId } = page;
  const conditions = [
    ...(afterId === undefined ? [] : [MoreThan(afterId)]),
    ...(onlyId === undefined ? [] : [Equal(onlyId)]),
  ];
  return manager.find(TenantEntity, {
    where: conditions.length > 0 ? { id: And(...conditions) } : {},
    order: { id: 'ASC' },
    take: limit,
  });
}
