// Makes a payload fit to be shown to people who may not see personal data.

/** Stands for every value that is not shown. */
export const MASK = '•••';

/**
 * The allow list: ids, states, codes, amounts, currencies and times. Everything else is masked, because a payload may
 * carry fields that nobody foresaw, and forgetting one here hides too much instead of too little. Not in it on purpose:
 * `verification_code`, `card_number`, `merchant_name` and other names, URLs (`signingUrl` and `url` carry tokens), and
 * free text (`message`, `description`, `error_reason`).
 */
const SHOWN: ReadonlySet<string> = new Set([
  'eventType',
  'onboardingId',
  'engagementId',
  'rejectReason',
  'failureCode',
  'user_id',
  'card_id',
  'template_id',
  'transaction_id',
  'status',
  'card_status',
  'amount',
  'receive_amount',
  'refund_amount',
  'currency',
  'channel',
  'occur_time',
]);

// What an id, a code or an amount looks like; free text in such a field is masked like any other.
const HARMLESS = /^[\w.:+-]{1,128}$/;
// JSON.parse accepts any depth; recursion does not.
const MAX_DEPTH = 32;

/**
 * A copy of a parsed payload with the same keys and array lengths, in which every string, number and boolean is replaced
 * by `MASK`, except the harmless values of allow-listed fields, at any depth. `null` stays: it says that nothing is there.
 */
export function maskPayload(payload: unknown): unknown {
  return mask(payload, false, 0);
}

function mask(value: unknown, shown: boolean, depth: number): unknown {
  if (value === null || value === undefined) return value;
  if (typeof value === 'string' || typeof value === 'number') return shown && HARMLESS.test(`${value}`) ? value : MASK;
  if (typeof value !== 'object') return MASK;
  if (depth >= MAX_DEPTH) return MASK;
  if (Array.isArray(value)) return value.map((item) => mask(item, false, depth + 1));
  const entries = Object.entries(value).map(([key, item]) => [key, mask(item, SHOWN.has(key), depth + 1)]);
  return Object.fromEntries(entries) as unknown;
}
