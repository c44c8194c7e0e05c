// Who may do what: the one table.
import type { Role } from '#audit/admin';
import { notFound, Problem } from './problem.ts';
import type { Caller } from './wire.ts';

interface Right {
  roles: readonly Role[];
  /** Not for tokens that are bound to one tenant, whatever their role. */
  unboundOnly?: true;
}

const everybody: readonly Role[] = ['admin', 'operator', 'support', 'viewer', 'auditor'];

export const RIGHTS = {
  'tenants.read': { roles: everybody },
  'tenants.write': { roles: ['admin'], unboundOnly: true },
  'endpoints.read': { roles: everybody },
  'endpoints.write': { roles: ['admin', 'operator'] },
  'deliveries.read': { roles: everybody },
  'payloads.reveal': { roles: ['admin', 'support'] },
  'lanes.read': { roles: everybody },
  'lanes.command': { roles: ['admin', 'operator'] },
  'catalogue.read': { roles: everybody },
  'stats.read': { roles: everybody },
  'audit.read': { roles: ['admin', 'auditor'] },
  'tokens.manage': { roles: ['admin'], unboundOnly: true },
} as const satisfies Record<string, Right>;

export type RightName = keyof typeof RIGHTS;

export function may(caller: Caller, name: RightName): boolean {
  const right: Right = RIGHTS[name];
  return right.roles.includes(caller.role) && (caller.tenantId === null || !right.unboundOnly);
}

/** Throws the 403 that says which right is missing. */
export function requireRight(caller: Caller, name: RightName): void {
  if (!may(caller, name)) throw new Problem(403, `your token does not have the right ${name}`);
}

/** Whether a thing of this tenant exists for the caller. */
export function maySee(caller: Caller, tenantId: string): boolean {
  return caller.tenantId === null || caller.tenantId === tenantId;
}

/** Another tenant's things do not exist for a bound token: 404, as for those that never did. */
export function visible<T extends { tenantId: string }>(caller: Caller, thing: T | null, what: string): T {
  if (!thing || !maySee(caller, thing.tenantId)) throw notFound(what);
  return thing;
}

/** The tenant that a list is cut to: the caller's own, else the one that was asked for. Null: what was asked for is not the caller's. */
export function tenantScope(caller: Caller, asked: string | undefined): { tenantId?: string } | null {
  if (caller.tenantId === null) return asked === undefined ? {} : { tenantId: asked };
  return asked === undefined || asked === caller.tenantId ? { tenantId: caller.tenantId } : null;
}
