// Finds the reason or failure code in a payload and says what it means and what the customer can do.
import { findEventType } from './catalogue.ts';
import type { CodeMeaning } from './event-type.ts';

export interface CodeExplanation extends CodeMeaning {
  field: string;
  code: string;
}

/** Null for types without such codes, and for a code that the catalogue does not know. */
export function explainCode(type: string, payload: unknown): CodeExplanation | null {
  const meanings = findEventType(type)?.meanings;
  if (!meanings || typeof payload !== 'object' || payload === null) return null;
  const code = (payload as Record<string, unknown>)[meanings.field];
  if (typeof code !== 'string' || !Object.hasOwn(meanings.codes, code)) return null;
  return { field: meanings.field, code, ...meanings.codes[code]! };
}
