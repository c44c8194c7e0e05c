// The one state transaction of a consumer: fence, then everything that happened since the last one, a statement for each table.
import { prepared, type Pool, type PoolClient, withTransaction } from '#database';
import { findEventType, searchKeys, type WaybillEvent } from '#events';
import type { Delivery, LaneState } from '#lane';
import { type FenceResult, lockOwned, type Owned, renewOwned } from './ownership.ts';

export type WaitingState = 'pending' | 'parked' | 'exhausted';
export type TerminalState = 'delivered' | 'exhausted' | 'skipped' | 'expired';

/** A delivery that waits in waybill.delivery. */
export interface Waiting {
  partition: number;
  delivery: Delivery;
  state: WaitingState;
  /** Database ms; only for unordered deliveries, whose due time is not a lane's. */
  nextAttemptAt: number | null;
}

export interface Finished {
  partition: number;
  delivery: Delivery;
  state: TerminalState;
  reason: string | null;
  finishedAt: number;
}

export interface AttemptRow {
  partition: number;
  event: WaybillEvent;
  endpointId: string;
  epoch: number;
  number: number;
  outcome: 'success' | 'failure' | 'unknown';
  errorClass: string | null;
  statusCode: number | null;
  startedAt: number;
  durationMs: number;
  /** False for probes and requests that we cut ourselves: they don't use up the head's attempts. */
  counted: boolean;
  /** The previous epoch may have made requests that it had no time to record. */
  earlierAttemptsPossible: boolean;
  /** JSON object, secrets struck out. */
  requestHeaders: string;
  responseHeaders: string | null;
  responseBody: string | null;
}

export interface CommandResult {
  partition: number;
  id: string;
  result: 'applied' | 'void';
}

/** What happened since the last transaction, in any order: the statements bring it into the right one. */
export interface Batch {
  inserted: Waiting[];
  updated: Waiting[];
  finished: Finished[];
  attempts: AttemptRow[];
  lanes: LaneState[];
  commands: CommandResult[];
}

export interface CommitResult extends FenceResult {
  /** Inserted rows that found their event id or their lane's sequence taken: a record read twice, or a conflict. */
  refused: Waiting[];
}

/**
 * Writes the batch in one transaction, less the partitions that are no longer ours. Safe to repeat after an unknown
 * outcome: inserts do nothing the second time, everything else is absolute. With `renewMs` the fence renews the leases too.
 */
export async function commitBatch(
  pool: Pool,
  fence: { holder: string; owned: readonly Owned[]; renewMs: number | null; onClock?: (databaseNow: number) => void },
  batch: Batch,
): Promise<CommitResult> {
  return withTransaction(pool, async (client) => {
    const { holder, owned, renewMs } = fence;
    const held =
      renewMs === null ? await lockOwned(client, holder, owned) : await renewOwned(client, holder, renewMs, owned);
    if (held.owned.size > 0) fence.onClock?.(held.databaseNow);
    const ours = <T extends { partition: number }>(rows: T[]) => rows.filter((row) => held.owned.has(row.partition));
    const refused = await insertWaiting(client, ours(batch.inserted));
    await updateWaiting(client, ours(batch.updated));
    await insertFinished(client, ours(batch.finished));
    await insertAttempts(client, ours(batch.attempts));
    await saveLanes(client, ours(batch.lanes));
    await closeCommands(client, ours(batch.commands));
    return { ...held, refused };
  });
}

const at = (column: string) => `to_timestamp(${column} / 1000)`;

async function insertWaiting(client: PoolClient, rows: Waiting[]): Promise<Waiting[]> {
  if (rows.length === 0) return [];
  const keys = rows.map(({ delivery }) => keysOf(delivery.event));
  const { rows: made } = await prepared<{ endpoint_id: string; event_id: string }>(
    client,
    'delivery_insert_waiting',
    `INSERT INTO waybill.delivery (endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state,
       payload, payload_fault, traceparent, occurred_at, enqueued_at, user_id, card_id, transaction_id, attempts,
       attempts_epoch, status_code, error_class, first_attempt_at, last_attempt_at, last_duration_ms, next_attempt_at)
     SELECT endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state, payload, payload_fault,
       traceparent, occurred_at, enqueued_at, user_id, card_id, transaction_id, attempts, attempts_epoch, status_code,
       error_class, ${at('first_attempt_at')}, ${at('last_attempt_at')}, last_duration_ms, ${at('next_attempt_at')}
     FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::int[], $8::text[], $9::text[],
       $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::text[], $16::text[], $17::int[],
       $18::bigint[], $19::int[], $20::text[], $21::float8[], $22::float8[], $23::int[], $24::float8[])
       AS r(endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state, payload, payload_fault,
         traceparent, occurred_at, enqueued_at, user_id, card_id, transaction_id, attempts, attempts_epoch, status_code,
         error_class, first_attempt_at, last_attempt_at, last_duration_ms, next_attempt_at)
     ON CONFLICT DO NOTHING RETURNING endpoint_id, event_id`,
    [
      ...eventColumns(rows),
      keys.map((key) => key.userId),
      keys.map((key) => key.cardId),
      keys.map((key) => key.transactionId),
      ...attemptColumns(rows),
      rows.map((row) => row.nextAttemptAt),
    ],
  );
  if (made.length === rows.length) return [];
  const inserted = new Set(made.map((row) => `${row.endpoint_id} ${row.event_id}`));
  return rows.filter(({ delivery }) => !inserted.has(`${delivery.endpointId} ${delivery.event.eventId}`));
}

async function updateWaiting(client: PoolClient, rows: Waiting[]): Promise<void> {
  if (rows.length === 0) return;
  await prepared(
    client,
    'delivery_update_waiting',
    `UPDATE waybill.delivery d SET state = r.state, attempts = r.attempts, attempts_epoch = r.attempts_epoch,
       status_code = r.status_code, error_class = r.error_class, first_attempt_at = ${at('r.first_attempt_at')},
       last_attempt_at = ${at('r.last_attempt_at')}, last_duration_ms = r.last_duration_ms,
       next_attempt_at = ${at('r.next_attempt_at')}
     FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::int[], $5::bigint[], $6::int[], $7::text[], $8::float8[], $9::float8[],
       $10::int[], $11::float8[]) AS r(endpoint_id, event_id, state, attempts, attempts_epoch, status_code, error_class,
       first_attempt_at, last_attempt_at, last_duration_ms, next_attempt_at)
     WHERE d.endpoint_id = r.endpoint_id AND d.event_id = r.event_id`,
    [
      rows.map((row) => row.delivery.endpointId),
      rows.map((row) => row.delivery.event.eventId),
      rows.map((row) => row.state),
      ...attemptColumns(rows),
      rows.map((row) => row.nextAttemptAt),
    ],
  );
}

async function insertFinished(client: PoolClient, rows: Finished[]): Promise<void> {
  if (rows.length === 0) return;
  const keys = rows.map(({ delivery }) => keysOf(delivery.event));
  const [attempts, , ...lastAttempt] = attemptColumns(rows);
  await prepared(
    client,
    'delivery_insert_finished',
    `INSERT INTO waybill.delivery_history (endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state,
       payload, payload_fault, traceparent, occurred_at, enqueued_at, user_id, card_id, transaction_id, attempts,
       status_code, error_class, first_attempt_at, last_attempt_at, last_duration_ms, reason, finished_at)
     SELECT endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state, payload, payload_fault,
       traceparent, occurred_at, enqueued_at, user_id, card_id, transaction_id, attempts, status_code, error_class,
       ${at('first_attempt_at')}, ${at('last_attempt_at')}, last_duration_ms, reason, ${at('finished_at')}
     FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::int[], $8::text[], $9::text[],
       $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::text[], $15::text[], $16::text[], $17::int[],
       $18::int[], $19::text[], $20::float8[], $21::float8[], $22::int[], $23::text[], $24::float8[])
       AS r(endpoint_id, event_id, tenant_id, stream_id, sequence, event_type, partition, state, payload, payload_fault,
         traceparent, occurred_at, enqueued_at, user_id, card_id, transaction_id, attempts, status_code, error_class,
         first_attempt_at, last_attempt_at, last_duration_ms, reason, finished_at)
     ON CONFLICT DO NOTHING`,
    [
      ...eventColumns(rows),
      keys.map((key) => key.userId),
      keys.map((key) => key.cardId),
      keys.map((key) => key.transactionId),
      attempts,
      ...lastAttempt,
      rows.map((row) => row.reason),
      rows.map((row) => row.finishedAt),
    ],
  );
  await deleteWaiting(
    client,
    rows.filter((row) => row.delivery.stored),
  );
}

async function deleteWaiting(client: PoolClient, rows: Finished[]): Promise<void> {
  if (rows.length === 0) return;
  await prepared(
    client,
    'delivery_delete_waiting',
    `DELETE FROM waybill.delivery d USING unnest($1::uuid[], $2::uuid[]) AS r(endpoint_id, event_id)
      WHERE d.endpoint_id = r.endpoint_id AND d.event_id = r.event_id`,
    [rows.map((row) => row.delivery.endpointId), rows.map((row) => row.delivery.event.eventId)],
  );
}

async function insertAttempts(client: PoolClient, rows: AttemptRow[]): Promise<void> {
  if (rows.length === 0) return;
  await prepared(
    client,
    'delivery_insert_attempts',
    `INSERT INTO waybill.attempt (endpoint_id, event_id, enqueued_at, epoch, number, outcome, error_class, status_code,
       started_at, duration_ms, counted, earlier_attempts_possible, request_headers, response_headers, response_body)
     SELECT endpoint_id, event_id, enqueued_at, epoch, number, outcome, error_class, status_code, ${at('started_at')},
       duration_ms, counted, earlier_attempts_possible, request_headers, response_headers, response_body
     FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::bigint[], $5::int[], $6::text[], $7::text[], $8::int[],
       $9::float8[], $10::int[], $11::boolean[], $12::boolean[], $13::text[], $14::text[], $15::text[])
       AS r(endpoint_id, event_id, enqueued_at, epoch, number, outcome, error_class, status_code, started_at, duration_ms,
         counted, earlier_attempts_possible, request_headers, response_headers, response_body)
     ON CONFLICT DO NOTHING`,
    [
      rows.map((row) => row.endpointId),
      rows.map((row) => row.event.eventId),
      rows.map((row) => row.event.enqueuedAt),
      rows.map((row) => row.epoch),
      rows.map((row) => row.number),
      rows.map((row) => row.outcome),
      rows.map((row) => row.errorClass),
      rows.map((row) => row.statusCode),
      rows.map((row) => row.startedAt),
      rows.map((row) => Math.round(row.durationMs)),
      rows.map((row) => row.counted),
      rows.map((row) => row.earlierAttemptsPossible),
      rows.map((row) => row.requestHeaders),
      rows.map((row) => row.responseHeaders),
      rows.map((row) => row.responseBody),
    ],
  );
}

async function saveLanes(client: PoolClient, lanes: LaneState[]): Promise<void> {
  if (lanes.length === 0) return;
  await prepared(
    client,
    'delivery_save_lanes',
    `INSERT INTO waybill.lane AS l (endpoint_id, stream_id, tenant_id, partition, delivered, state, attempts, next_attempt_at,
       head_event_id, blocked_since, last_error_class, reason)
     SELECT endpoint_id, stream_id, tenant_id, partition, delivered, state, attempts, ${at('next_attempt_at')},
       head_event_id, ${at('blocked_since')}, last_error_class, reason
     FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int[], $5::bigint[], $6::text[], $7::int[], $8::float8[], $9::uuid[],
       $10::float8[], $11::text[], $12::text[]) AS r(endpoint_id, stream_id, tenant_id, partition, delivered, state, attempts,
       next_attempt_at, head_event_id, blocked_since, last_error_class, reason)
     ON CONFLICT (endpoint_id, stream_id) DO UPDATE SET delivered = greatest(l.delivered, excluded.delivered),
       state = excluded.state, attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at,
       head_event_id = excluded.head_event_id, blocked_since = excluded.blocked_since,
       last_error_class = excluded.last_error_class, reason = excluded.reason`,
    [
      lanes.map((lane) => lane.endpointId),
      lanes.map((lane) => lane.streamId),
      lanes.map((lane) => lane.tenantId),
      lanes.map((lane) => lane.partition),
      lanes.map((lane) => lane.delivered),
      lanes.map((lane) => lane.mode),
      lanes.map((lane) => lane.attempts),
      lanes.map((lane) => lane.nextAttemptAt),
      lanes.map((lane) => lane.headEventId),
      lanes.map((lane) => lane.blockedSince),
      lanes.map((lane) => lane.lastErrorClass),
      lanes.map((lane) => lane.reason),
    ],
  );
}

async function closeCommands(client: PoolClient, rows: CommandResult[]): Promise<void> {
  if (rows.length === 0) return;
  await client.query(
    `UPDATE waybill.operator_command c SET closed_at = clock_timestamp(), result = r.result
       FROM unnest($1::uuid[], $2::text[]) AS r(id, result) WHERE c.id = r.id AND c.closed_at IS NULL`,
    [rows.map((row) => row.id), rows.map((row) => row.result)],
  );
}

/** The first 13 columns that waiting and finished deliveries share. */
function eventColumns(rows: readonly { partition: number; delivery: Delivery; state: string }[]): unknown[][] {
  return [
    rows.map(({ delivery }) => delivery.endpointId),
    rows.map(({ delivery }) => delivery.event.eventId),
    rows.map(({ delivery }) => delivery.event.tenantId),
    rows.map(({ delivery }) => delivery.event.streamId),
    rows.map(({ delivery }) => delivery.sequence),
    rows.map(({ delivery }) => delivery.event.type),
    rows.map((row) => row.partition),
    rows.map((row) => row.state),
    rows.map(({ delivery }) => delivery.event.payload.toString()),
    rows.map(({ delivery }) => delivery.event.payloadFault ?? null),
    rows.map(({ delivery }) => delivery.event.traceparent ?? null),
    rows.map(({ delivery }) => delivery.event.occurredAt),
    rows.map(({ delivery }) => delivery.event.enqueuedAt),
  ];
}

/** attempts, attempts_epoch, status_code, error_class, first_attempt_at, last_attempt_at, last_duration_ms */
function attemptColumns(rows: readonly { delivery: Delivery }[]): unknown[][] {
  return [
    rows.map(({ delivery }) => delivery.attempts),
    rows.map(({ delivery }) => delivery.attemptsEpoch),
    rows.map(({ delivery }) => delivery.last?.statusCode ?? null),
    rows.map(({ delivery }) => delivery.last?.errorClass ?? null),
    rows.map(({ delivery }) => delivery.firstAttemptAt),
    rows.map(({ delivery }) => delivery.last?.startedAt ?? null),
    rows.map(({ delivery }) => (delivery.last ? Math.round(delivery.last.durationMs) : null)),
  ];
}

const NO_KEYS = { userId: null, cardId: null, transactionId: null };

/** Onboarding payloads have none of the searched fields: they need not be parsed. */
function keysOf(event: WaybillEvent): { userId: string | null; cardId: string | null; transactionId: string | null } {
  if (findEventType(event.type)?.family === 'onboarding') return NO_KEYS;
  try {
    const keys = searchKeys(event.type, JSON.parse(event.payload.toString()));
    // "\u0000" is valid JSON, but no text of PostgreSQL's: one such field would stop every flush. Nobody searches for it.
    return [keys.userId, keys.cardId, keys.transactionId].some((key) => key?.includes('\0')) ? NO_KEYS : keys;
  } catch {
    // Only the outbox vouches for JSON: a record that came to the topic by another way is delivered as it is.
    return NO_KEYS;
  }
}
