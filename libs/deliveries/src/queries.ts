// Callback records for people: lists by any filter, one page at a time, and one record with its attempts.
import type { Queryable } from '#database';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { deliveryId, type DeliveryKey, isUuid } from './delivery-id.ts';
import { columns, type DeliveryArm, deliveryArms, type DeliveryFilter, iso } from './delivery-arms.ts';

export type { DeliveryFilter, DeliveryState } from './delivery-arms.ts';

/** One event at one endpoint, as it stands. Instants are ISO 8601 UTC with microseconds. */
export interface DeliverySummary {
  id: string;
  endpointId: string;
  eventId: string;
  tenantId: string;
  streamId: string;
  /** Null for unordered types. */
  sequence: number | null;
  eventType: string;
  state: string;
  /** Why it ended as it did, for those that were not simply delivered. */
  reason: string | null;
  attempts: number;
  statusCode: number | null;
  errorClass: string | null;
  payloadFault: string | null;
  userId: string | null;
  cardId: string | null;
  transactionId: string | null;
  occurredAt: string;
  enqueuedAt: string;
  firstAttemptAt: string | null;
  lastAttemptAt: string | null;
  lastDurationMs: number | null;
  nextAttemptAt: string | null;
  finishedAt: string | null;
}

export interface DeliveryDetail extends DeliverySummary {
  /** The committed text. Personal data: mask it before anybody sees it. */
  payload: string;
  traceparent: string | null;
  attemptRecords: AttemptRecord[];
}

export interface AttemptRecord {
  number: number;
  epoch: number;
  outcome: 'success' | 'failure' | 'unknown';
  errorClass: string | null;
  statusCode: number | null;
  startedAt: string;
  durationMs: number;
  /** False for probes and the like, which use up no attempt. */
  counted: boolean;
  /** The owner before may have died with attempts that it had not written yet. */
  earlierAttemptsPossible: boolean;
  requestHeaders: string;
  responseHeaders: string | null;
  responseBody: string | null;
}

export interface DeliveryPage {
  order: 'asc' | 'desc';
  limit: number;
  cursor?: string;
}

const cursorKind = (order: string) => `deliveries.${order}`;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/;

/** The position that a cursor names, or null for a cursor that is not of this list and order. */
export function parseDeliveryCursor(cursor: string, order: 'asc' | 'desc'): { at: string; key: DeliveryKey } | null {
  const parts = decodeCursor(cursorKind(order), cursor, 2);
  if (!parts) return null;
  const [at, eventAndEndpoint] = parts.map(String) as [string, string];
  const [eventId = '', endpointId = '', ...rest] = eventAndEndpoint.split('/');
  const isKey = isUuid(eventId) && isUuid(endpointId) && rest.length === 0;
  return isKey && INSTANT.test(at) ? { at, key: { eventId, endpointId } } : null;
}

/**
 * A page in the order of (enqueued at, event id, endpoint id). `nextCursor` is null on the last one.
 * Throws RangeError for a cursor that `parseDeliveryCursor` refuses.
 */
export async function listDeliveries(
  db: Queryable,
  filter: DeliveryFilter,
  page: DeliveryPage,
): Promise<{ items: DeliverySummary[]; nextCursor: string | null }> {
  const after = page.cursor === undefined ? undefined : parseDeliveryCursor(page.cursor, page.order);
  if (after === null) throw new RangeError('not a cursor of this list');
  const rows = await readPage(db, filter, { ...page, after });
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  const more = rows.length > page.limit && last !== undefined;
  return { items, nextCursor: more ? cursorAfter(last, page.order) : null };
}

/** One record, wherever its row lies, with every attempt on record in the order they were made. */
export async function findDelivery(db: Queryable, key: DeliveryKey): Promise<DeliveryDetail | null> {
  const values = [key.endpointId, key.eventId];
  const { rows } = await db.query<DeliveryDetail>(
    (['delivery', 'delivery_history'] as const)
      .map(
        (table) => `SELECT ${columns(table)}, payload, traceparent FROM waybill.${table}
          WHERE endpoint_id = $1 AND event_id = $2`,
      )
      .join(' UNION ALL '),
    values,
  );
  const [row] = rows;
  if (!row) return null;
  const attempts = await db.query<AttemptRecord>(
    `SELECT number, epoch, outcome, error_class AS "errorClass", status_code AS "statusCode",
            ${iso('started_at')} AS "startedAt", duration_ms AS "durationMs", counted,
            earlier_attempts_possible AS "earlierAttemptsPossible", request_headers AS "requestHeaders",
            response_headers AS "responseHeaders", response_body AS "responseBody"
       FROM waybill.attempt WHERE event_id = $2 AND endpoint_id = $1 ORDER BY attempt.started_at, epoch, number`,
    values,
  );
  return { ...row, id: deliveryId(row), attemptRecords: attempts.rows };
}

type Position = { at: string; key: DeliveryKey } | undefined;
type Reading = DeliveryPage & { after: Position };

/** Up to limit + 1 rows: one more than asked for tells whether there is a next page. */
async function readPage(db: Queryable, filter: DeliveryFilter, page: Reading): Promise<DeliverySummary[]> {
  const { text, values } = deliveriesSql(filter, page);
  const { rows } = await db.query<DeliverySummary>(text, values);
  return rows.map((row) => ({ ...row, id: deliveryId(row) }));
}

/**
 * Filter, order and limit go into every arm, so that each is one index scan of at most limit + 1 rows per partition: a
 * UNION that is sorted as a whole would read everything first.
 */
export function deliveriesSql(filter: DeliveryFilter, page: Reading): { text: string; values: unknown[] } {
  const { arms, values } = deliveryArms(filter);
  const direction = page.order === 'asc' ? 'ASC' : 'DESC';
  const position = page.after ? positionSql(page.after, page.order, values) : '';
  const limit = `LIMIT ${page.limit + 1}`;
  const armSql = ({ table, conditions }: DeliveryArm) => `
    SELECT ${columns(table)} FROM (
      SELECT d.* FROM waybill.${table} d WHERE ${[...conditions, 'true'].join(' AND ')}${position}
       ORDER BY d.enqueued_at ${direction}, d.event_id ${direction}, d.endpoint_id ${direction} ${limit}) d`;
  return {
    // Arms of a search may find the same row twice: UNION drops it. The outer order is that of ISO texts, byte by byte.
    text: `SELECT * FROM (${arms.map(armSql).join('\nUNION')}) page
      ORDER BY "enqueuedAt" COLLATE "C" ${direction}, "eventId" ${direction}, "endpointId" ${direction} ${limit}`,
    values,
  };
}

function positionSql(after: NonNullable<Position>, order: 'asc' | 'desc', values: unknown[]): string {
  const sign = order === 'asc' ? '>' : '<';
  const first = values.push(after.at, after.key.eventId, after.key.endpointId) - 2;
  // The first condition says again what the second implies: indexes that end with the instant can use it.
  return ` AND d.enqueued_at ${sign}= $${first}::timestamptz
       AND (d.enqueued_at, d.event_id, d.endpoint_id) ${sign} ($${first}::timestamptz, $${first + 1}::uuid, $${first + 2}::uuid)`;
}

function cursorAfter(last: DeliverySummary, order: string): string {
  return encodeCursor(cursorKind(order), [last.enqueuedAt, `${last.eventId}/${last.endpointId}`]);
}
