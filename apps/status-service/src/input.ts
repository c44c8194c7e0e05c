// Reads queries and bodies by their schemas, or throws the problem that names each field.
import type { z } from 'zod';
import { isUuid } from '#deliveries';
import { check, tenantIdSchema } from '#endpoints/admin';
import { badFields, badParameters, notFound } from './problem.ts';

export function readQuery<T>(schema: z.ZodType<T>, query: unknown): T {
  const checked = check(schema, query);
  if (!checked.ok) throw badParameters(checked.faults);
  return checked.value;
}

export function readBody<T>(schema: z.ZodType<T>, body: unknown): T {
  const checked = check(schema, body);
  if (!checked.ok) throw badFields(checked.faults);
  return checked.value;
}

/** An id in the address that cannot be one belongs to nothing. */
export function readUuid(id: string, what: string): string {
  if (!isUuid(id)) throw notFound(what);
  return id.toLowerCase();
}

export function readTenantId(tenantId: string): string {
  const checked = check(tenantIdSchema, tenantId);
  if (checked.ok) return checked.value;
  throw badParameters(checked.faults.map(({ detail }) => ({ field: 'tenantId', detail })));
}
