// Turns the filters of a list of deliveries into the arms of its UNION: each one a condition that an index serves.
import { isUuid, parseDeliveryId } from './delivery-id.ts';

export const DELIVERY_STATES = ['pending', 'parked', 'delivered', 'exhausted', 'skipped', 'expired'] as const;
export type DeliveryState = (typeof DELIVERY_STATES)[number];

export interface DeliveryFilter {
  tenantId?: string;
  endpointId?: string;
  eventType?: string;
  streamId?: string;
  state?: DeliveryState;
  statusCode?: number;
  errorClass?: string;
  userId?: string;
  cardId?: string;
  transactionId?: string;
  /** Of the enqueued-at instant, ISO 8601; `from` inclusive, `to` exclusive. */
  from?: string;
  to?: string;
  /** A delivery's or event's id, or a stream, user, card or transaction id or its beginning. */
  search?: string;
}

type Table = 'delivery' | 'delivery_history';

export interface DeliveryArm {
  table: Table;
  /** To be joined by AND; the table is `d`. */
  conditions: string[];
}

const OPEN_STATES: readonly DeliveryState[] = ['pending', 'parked', 'exhausted'];
const TERMINAL_STATES: readonly DeliveryState[] = ['delivered', 'exhausted', 'skipped', 'expired'];
const SEARCHED_COLUMNS = ['stream_id', 'user_id', 'card_id', 'transaction_id'] as const;
const EQUALITIES = [
  ['tenantId', 'tenant_id', 'text'],
  ['endpointId', 'endpoint_id', 'uuid'],
  ['eventType', 'event_type', 'text'],
  ['streamId', 'stream_id', 'text'],
  ['state', 'state', 'text'],
  ['statusCode', 'status_code', 'integer'],
  ['errorClass', 'error_class', 'text'],
  ['userId', 'user_id', 'text'],
  ['cardId', 'card_id', 'text'],
  ['transactionId', 'transaction_id', 'text'],
] as const;

/** The arms, and the values of their parameters. */
export function deliveryArms(filter: DeliveryFilter): { arms: DeliveryArm[]; values: unknown[] } {
  const values: unknown[] = [];
  const common: string[] = [];
  for (const [key, column, type] of EQUALITIES) {
    const value = filter[key];
    if (value !== undefined) common.push(`d.${column} = $${values.push(value)}::${type}`);
  }
  if (filter.from !== undefined) common.push(`d.enqueued_at >= $${values.push(filter.from)}::timestamptz`);
  if (filter.to !== undefined) common.push(`d.enqueued_at < $${values.push(filter.to)}::timestamptz`);
  // Said as constants, so that the planner may use the partial indexes.
  if (filter.state !== undefined && filter.state !== 'delivered') common.push(`d.state <> 'delivered'`);
  if (filter.statusCode !== undefined && !isSuccess(filter.statusCode)) {
    common.push('d.status_code NOT BETWEEN 200 AND 299');
  }
  const searches = searchConditions(filter.search, values);
  const arms = tablesOf(filter.state).flatMap((table) =>
    searches.map((search) => ({ table, conditions: [...common, ...search] })),
  );
  return { arms, values };
}

/** The columns of a `DeliverySummary` but its id, in the same order from both tables. */
export function columns(table: Table): string {
  const open = table === 'delivery';
  return `endpoint_id AS "endpointId", event_id AS "eventId", tenant_id AS "tenantId", stream_id AS "streamId", sequence,
    event_type AS "eventType", state, ${open ? 'NULL::text' : 'reason'} AS reason, attempts, status_code AS "statusCode",
    error_class AS "errorClass", payload_fault AS "payloadFault", user_id AS "userId", card_id AS "cardId",
    transaction_id AS "transactionId", ${iso('occurred_at')} AS "occurredAt", ${iso('enqueued_at')} AS "enqueuedAt",
    ${iso('first_attempt_at')} AS "firstAttemptAt", ${iso('last_attempt_at')} AS "lastAttemptAt",
    last_duration_ms AS "lastDurationMs", ${open ? iso('next_attempt_at') : 'NULL::text'} AS "nextAttemptAt",
    ${open ? 'NULL::text' : iso('finished_at')} AS "finishedAt"`;
}

/** Microseconds, as JavaScript's dates have not: the instant is part of keys and cursors. */
export function iso(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;
}

function tablesOf(state: DeliveryState | undefined): Table[] {
  const tables: Table[] = [];
  if (state === undefined || OPEN_STATES.includes(state)) tables.push('delivery');
  if (state === undefined || TERMINAL_STATES.includes(state)) tables.push('delivery_history');
  return tables;
}

/** One list of conditions for each way that the text may name a record; a single empty one without a search. */
function searchConditions(search: string | undefined, values: unknown[]): string[][] {
  if (search === undefined) return [[]];
  const key = parseDeliveryId(search);
  if (key) {
    const first = values.push(key.endpointId, key.eventId) - 1;
    return [[`d.endpoint_id = $${first}::uuid`, `d.event_id = $${first + 1}::uuid`]];
  }
  const first = values.push(search, afterPrefix(search)) - 1;
  // Text columns are COLLATE "C": a range of bytes is a prefix, and the planner needs no constant pattern to see it.
  const arms = SEARCHED_COLUMNS.map((column) => [`d.${column} >= $${first}`, `d.${column} < $${first + 1}`]);
  if (isUuid(search)) arms.push([`d.event_id = $${values.push(search)}::uuid`]);
  return arms;
}

/** The first text, byte by byte, that no longer begins with `prefix` (which is printable ASCII). */
function afterPrefix(prefix: string): string {
  return prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
}

const isSuccess = (statusCode: number): boolean => statusCode >= 200 && statusCode <= 299;
