// The audit trail, read page by page.
import { type EntityManager, LessThan, LessThanOrEqual, MoreThanOrEqual, And, type FindOptionsWhere } from 'typeorm';
import { AuditEntryEntity, type AuditEntryRow } from './entities.ts';

/** Entries, newest first. */
export function listAuditEntries(
  manager: EntityManager,
  page: {
    limit: number;
    beforeId?: number;
    tenantId?: string;
    action?: string;
    target?: string;
    actor?: string;
    from?: Date;
    to?: Date;
  },
): Promise<AuditEntryRow[]> {
  const { limit, beforeId, tenantId, action, target, actor, from, to } = page;
  const where: FindOptionsWhere<AuditEntryRow> = {
    ...(beforeId === undefined ? {} : { id: LessThan(beforeId) }),
    ...(tenantId === undefined ? {} : { tenantId }),
    ...(action === undefined ? {} : { action }),
    ...(target === undefined ? {} : { target }),
    ...(actor === undefined ? {} : { actor }),
    ...(from === undefined && to === undefined ? {} : { at: between(from, to) }),
  };
  return manager.find(AuditEntryEntity, { where, order: { id: 'DESC' }, take: limit });
}

function between(from: Date | undefined, to: Date | undefined) {
  if (from === undefined) return LessThanOrEqual(to!);
  return to === undefined ? MoreThanOrEqual(from) : And(MoreThanOrEqual(from), LessThanOrEqual(to));
}
