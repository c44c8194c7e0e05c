// The ids in a payload that deliveries can be searched by, and the stream that an event belongs to.
import { findEventType } from './catalogue.ts';

export interface SearchKeys {
  userId: string | null;
  cardId: string | null;
  transactionId: string | null;
}

/**
 * Read from `user_id`, `card_id` and `transaction_id` at the top of the payload, for types outside the catalogue as well.
 * Anything but a string of 1–200 characters or a whole number is null.
 */
export function searchKeys(_type: string, payload: unknown): SearchKeys {
  return {
    userId: idIn(payload, 'user_id'),
    cardId: idIn(payload, 'card_id'),
    transactionId: idIn(payload, 'transaction_id'),
  };
}

/** The stream id by the catalogue's rule (onboarding id; card id, else user id); null outside the catalogue or without one. */
export function streamIdOf(type: string, payload: unknown): string | null {
  for (const field of findEventType(type)?.streamKey ?? []) {
    const id = idIn(payload, field);
    if (id !== null) return id;
  }
  return null;
}

function idIn(payload: unknown, field: string): string | null {
  if (typeof payload !== 'object' || payload === null || !Object.hasOwn(payload, field)) return null;
  const value = (payload as Record<string, unknown>)[field];
  // Beyond 2^53 a number has already lost digits: no id rather than a wrong one.
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' && value.length > 0 && value.length <= 200 ? value : null;
}
