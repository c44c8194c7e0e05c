// A committed event as the relay reads it.
export interface OutboxRow {
  id: number;
  shard: number;
  /** How many rows of its shard were found for this page; those beyond 4 MiB of payload are left for the next one. */
  found: number;
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

/** A row of `outboxColumns`; `id` is null where a join found no event. */
export interface RawOutboxRow {
  id: number | null;
  shard: number;
  found: number;
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

export const iso = (column: string): string => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

/** Of `outbox.event e`. */
export const outboxColumns = `e.id, e.shard, e.event_id, e.tenant_id, e.stream_id, e.event_type, e.targets::text AS targets,
  e.payload::text AS payload, e.traceparent, ${iso('e.occurred_at')} AS occurred_at, ${iso('e.enqueued_at')} AS enqueued_at`;

export function toOutboxRow(row: RawOutboxRow): OutboxRow {
  return {
    id: row.id!,
    shard: row.shard,
    found: row.found,
    eventId: row.event_id,
    tenantId: row.tenant_id,
    streamId: row.stream_id,
    type: row.event_type,
    targets: row.targets,
    payload: row.payload,
    traceparent: row.traceparent,
    occurredAt: row.occurred_at,
    enqueuedAt: row.enqueued_at,
  };
}
