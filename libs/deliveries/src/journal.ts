// The one state transaction of a consumer: fence, then everything that happened since the last one, a statement for each table.
import {
  bool,
  instant,
  int4,
  int8,
  isoInstant,
  type Pool,
  type PoolClient,
  prepared,
  rowSet,
  text,
  uuid,
  withTransaction,
} from '#database';
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

type Keyed<R> = R & { keys: SearchKeys };

/** The payload is parsed for them, so once a row. */
const withKeys = <R extends { delivery: Delivery }>(rows: readonly R[]): Keyed<R>[] =>
  rows.map((row) => ({ ...row, keys: keysOf(row.delivery.event) }));

const eventColumns = <R extends Keyed<{ partition: number; delivery: Delivery; state: string }>>() => ({
  endpoint_id: uuid<R>(({ delivery }) => delivery.endpointId),
  event_id: uuid<R>(({ delivery }) => delivery.event.eventId),
  tenant_id: text<R>(({ delivery }) => delivery.event.tenantId),
  stream_id: text<R>(({ delivery }) => delivery.event.streamId),
  sequence: int8<R>(({ delivery }) => delivery.sequence),
  event_type: text<R>(({ delivery }) => delivery.event.type),
  partition: int4<R>((row) => row.partition),
  state: text<R>((row) => row.state),
  payload: text<R>(({ delivery }) => delivery.event.payload),
  payload_fault: text<R>(({ delivery }) => delivery.event.payloadFault ?? null),
  traceparent: text<R>(({ delivery }) => delivery.event.traceparent ?? null),
  occurred_at: isoInstant<R>(({ delivery }) => delivery.event.occurredAt),
  enqueued_at: isoInstant<R>(({ delivery }) => delivery.event.enqueuedAt),
  user_id: text<R>(({ keys }) => keys.userId),
  card_id: text<R>(({ keys }) => keys.cardId),
  transaction_id: text<R>(({ keys }) => keys.transactionId),
});

const attemptColumns = <R extends { delivery: Delivery }>() => ({
  attempts: int4<R>(({ delivery }) => delivery.attempts),
  status_code: int4<R>(({ delivery }) => delivery.last?.statusCode ?? null),
  error_class: text<R>(({ delivery }) => delivery.last?.errorClass ?? null),
  first_attempt_at: instant<R>(({ delivery }) => delivery.firstAttemptAt),
  last_attempt_at: instant<R>(({ delivery }) => delivery.last?.startedAt ?? null),
  last_duration_ms: int4<R>(({ delivery }) => (delivery.last ? Math.round(delivery.last.durationMs) : null)),
});

const waitingColumns = {
  ...attemptColumns<Waiting>(),
  attempts_epoch: int8<Waiting>(({ delivery }) => delivery.attemptsEpoch),
  next_attempt_at: instant<Waiting>((row) => row.nextAttemptAt),
};

const insertedRows = rowSet<Keyed<Waiting>>({ ...eventColumns<Keyed<Waiting>>(), ...waitingColumns });

async function insertWaiting(client: PoolClient, rows: Waiting[]): Promise<Waiting[]> {
  if (rows.length === 0) return [];
  const { rows: made } = await prepared<{ endpoint_id: string; event_id: string }>(
    client,
    'delivery_insert_waiting',
    `INSERT INTO waybill.delivery (${insertedRows.names}) SELECT * FROM ${insertedRows.unnest}
     ON CONFLICT DO NOTHING RETURNING endpoint_id, event_id`,
    insertedRows.values(withKeys(rows)),
  );
  if (made.length === rows.length) return [];
  const inserted = new Set(made.map((row) => `${row.endpoint_id} ${row.event_id}`));
  return rows.filter(({ delivery }) => !inserted.has(`${delivery.endpointId} ${delivery.event.eventId}`));
}

const updatedRows = rowSet<Waiting>({
  endpoint_id: uuid(({ delivery }) => delivery.endpointId),
  event_id: uuid(({ delivery }) => delivery.event.eventId),
  state: text((row) => row.state),
  ...waitingColumns,
});

async function updateWaiting(client: PoolClient, rows: Waiting[]): Promise<void> {
  if (rows.length === 0) return;
  await prepared(
    client,
    'delivery_update_waiting',
    `UPDATE waybill.delivery d SET state = r.state, attempts = r.attempts, attempts_epoch = r.attempts_epoch,
       status_code = r.status_code, error_class = r.error_class, first_attempt_at = r.first_attempt_at,
       last_attempt_at = r.last_attempt_at, last_duration_ms = r.last_duration_ms, next_attempt_at = r.next_attempt_at
     FROM ${updatedRows.unnest} AS r(${updatedRows.names})
     WHERE d.endpoint_id = r.endpoint_id AND d.event_id = r.event_id`,
    updatedRows.values(rows),
  );
}

const finishedRows = rowSet<Keyed<Finished>>({
  ...eventColumns<Keyed<Finished>>(),
  ...attemptColumns<Finished>(),
  reason: text((row) => row.reason),
  finished_at: instant((row) => row.finishedAt),
});

async function insertFinished(client: PoolClient, rows: Finished[]): Promise<void> {
  if (rows.length === 0) return;
  await prepared(
    client,
    'delivery_insert_finished',
    `INSERT INTO waybill.delivery_history (${finishedRows.names}) SELECT * FROM ${finishedRows.unnest}
     ON CONFLICT DO NOTHING`,
    finishedRows.values(withKeys(rows)),
  );
  await deleteWaiting(
    client,
    rows.filter((row) => row.delivery.stored),
  );
}

const deletedRows = rowSet<Finished>({
  endpoint_id: uuid(({ delivery }) => delivery.endpointId),
  event_id: uuid(({ delivery }) => delivery.event.eventId),
});

async function deleteWaiting(client: PoolClient, rows: Finished[]): Promise<void> {
  if (rows.length === 0) return;
  await prepared(
    client,
    'delivery_delete_waiting',
    `DELETE FROM waybill.delivery d USING ${deletedRows.unnest} AS r(${deletedRows.names})
      WHERE d.endpoint_id = r.endpoint_id AND d.event_id = r.event_id`,
    deletedRows.values(rows),
  );
}

const attemptRows = rowSet<AttemptRow>({
  endpoint_id: uuid((row) => row.endpointId),
  event_id: uuid((row) => row.event.eventId),
  enqueued_at: isoInstant((row) => row.event.enqueuedAt),
  epoch: int8((row) => row.epoch),
  number: int4((row) => row.number),
  outcome: text((row) => row.outcome),
  error_class: text((row) => row.errorClass),
  status_code: int4((row) => row.statusCode),
  started_at: instant((row) => row.startedAt),
  duration_ms: int4((row) => Math.round(row.durationMs)),
  counted: bool((row) => row.counted),
  earlier_attempts_possible: bool((row) => row.earlierAttemptsPossible),
  request_headers: text((row) => row.requestHeaders),
  response_headers: text((row) => row.responseHeaders),
  response_body: text((row) => row.responseBody),
});

async function insertAttempts(client: PoolClient, rows: AttemptRow[]): Promise<void> {
  if (rows.length === 0) return;
  await prepared(
    client,
    'delivery_insert_attempts',
    `INSERT INTO waybill.attempt (${attemptRows.names}) SELECT * FROM ${attemptRows.unnest} ON CONFLICT DO NOTHING`,
    attemptRows.values(rows),
  );
}

const laneRows = rowSet<LaneState>({
  endpoint_id: uuid((lane) => lane.endpointId),
  stream_id: text((lane) => lane.streamId),
  tenant_id: text((lane) => lane.tenantId),
  partition: int4((lane) => lane.partition),
  delivered: int8((lane) => lane.delivered),
  state: text((lane) => lane.mode),
  attempts: int4((lane) => lane.attempts),
  next_attempt_at: instant((lane) => lane.nextAttemptAt),
  head_event_id: uuid((lane) => lane.headEventId),
  blocked_since: instant((lane) => lane.blockedSince),
  last_error_class: text((lane) => lane.lastErrorClass),
  reason: text((lane) => lane.reason),
});

async function saveLanes(client: PoolClient, lanes: LaneState[]): Promise<void> {
  if (lanes.length === 0) return;
  await prepared(
    client,
    'delivery_save_lanes',
    `INSERT INTO waybill.lane AS l (${laneRows.names}) SELECT * FROM ${laneRows.unnest}
     ON CONFLICT (endpoint_id, stream_id) DO UPDATE SET delivered = greatest(l.delivered, excluded.delivered),
       state = excluded.state, attempts = excluded.attempts, next_attempt_at = excluded.next_attempt_at,
       head_event_id = excluded.head_event_id, blocked_since = excluded.blocked_since,
       last_error_class = excluded.last_error_class, reason = excluded.reason`,
    laneRows.values(lanes),
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

type SearchKeys = ReturnType<typeof searchKeys>;

const NO_KEYS: SearchKeys = { userId: null, cardId: null, transactionId: null };

/** Onboarding payloads have none of the searched fields: they need not be parsed. */
function keysOf(event: WaybillEvent): SearchKeys {
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
