// A committed event as the relay reads it.
import pg from 'pg';
import type { Queryable } from '#database';

export interface OutboxRow {
  id: number;
  shard: number;
  /** Its page ends here, at 4 MiB of payload: there may be more rows. */
  fillsPage: boolean;
  eventId: string;
  tenantId: string;
  streamId: string;
  type: string;
  /** JSON text, as the record's header carries it. */
  targets: string;
  /** The committed bytes, as text. */
  payload: string;
  traceparent: string | null;
  /** ISO 8601 UTC with microseconds. */
  occurredAt: string;
  enqueuedAt: string;
}

/** A row as `queryRows` gives it; `id` is null where a join found no event. */
export interface RawOutboxRow {
  id: number | null;
  shard: number;
  fills_page: boolean;
  event_id: string;
  tenant_id: string;
  stream_id: string;
  event_type: string;
  targets: string;
  payload: string;
  traceparent: string | null;
  occurred_at: string;
  enqueued_at: string;
}

/** Payload bytes of one page, beyond its first row: a few of them fit in a relay's memory many times over. */
export const PAGE_BYTES = 4 * 1_048_576;

/** Of `outbox.event e`, for `queryRows`. */
export const outboxColumns = `e.id, e.shard, e.event_id, e.tenant_id, e.stream_id, e.event_type, e.targets, e.payload,
  e.payload_bytes, e.traceparent, e.occurred_at, e.enqueued_at`;

/** An instant for `toOutboxRow`: as JSON it has one form whatever DateStyle and TimeZone are, at half the cost of to_char. */
export const instantColumn = (name: string): string => `to_json(${name} AT TIME ZONE 'UTC') AS ${name}`;

/** JSON columns arrive as their text: a cast to text in the statement would copy each payload three times. */
const types: pg.CustomTypesConfig = {
  getTypeParser: (oid, format) => (oid === pg.types.builtins.JSON ? String : parserOf(oid, format)),
};
const parserOf = pg.types.getTypeParser as (oid: number, format?: 'text' | 'binary') => (value: string) => unknown;

/** Runs a named prepared statement over outbox rows. */
export async function queryRows<R extends RawOutboxRow>(
  db: Queryable,
  name: string,
  text: string,
  values: unknown[],
): Promise<R[]> {
  const result = await db.query<R>({ name, text, values, types });
  const { rows } = result;
  // A result of pg outlives V8's young collections: only a full one frees it, and the rows with it. Two thirds of a relay's
  // pages were copied into the old heap for that, and collecting them was half of its processor time.
  result.rows = [];
  return rows;
}

export function toOutboxRow(row: RawOutboxRow): OutboxRow {
  return {
    id: row.id!,
    shard: row.shard,
    fillsPage: row.fills_page,
    eventId: row.event_id,
    tenantId: row.tenant_id,
    streamId: row.stream_id,
    type: row.event_type,
    targets: row.targets,
    payload: row.payload,
    traceparent: row.traceparent,
    occurredAt: toIso(row.occurred_at),
    enqueuedAt: toIso(row.enqueued_at),
  };
}

/** `"2026-01-02T03:04:05.12"` in quotes, without the zeros at its end, becomes `2026-01-02T03:04:05.120000Z`. */
function toIso(json: string): string {
  const end = json.length - 1;
  if (end === 27) return `${json.slice(1, end)}Z`;
  return `${json.slice(1, end)}${end === 20 ? '.' : ''}`.padEnd(26, '0') + 'Z';
}
