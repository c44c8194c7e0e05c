// What is wrong with one field of an input, for the person who sent it.
import type { z } from 'zod';

export interface FieldFault {
  /** Dotted path, e.g. `authHeader.name`; empty for the document as a whole. */
  field: string;
  /** One sentence. Never repeats the value: it may be a secret. */
  detail: string;
}

export type Checked<T> = { ok: true; value: T } | { ok: false; faults: FieldFault[] };

/** Checks `input` by a Zod schema; a fault for each field, and one for each name that is not known. */
export function check<T>(schema: z.ZodType<T>, input: unknown): Checked<T> {
  const result = schema.safeParse(input);
  return result.success
    ? { ok: true, value: result.data }
    : { ok: false, faults: result.error.issues.flatMap(faultsOf) };
}

function faultsOf(issue: z.core.$ZodIssue): FieldFault[] {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ field: [...path, key].join('.'), detail: 'no such field' }));
  }
  return [{ field: path.join('.'), detail: issue.message }];
}
