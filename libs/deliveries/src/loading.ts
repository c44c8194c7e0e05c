// What a consumer reads back: lanes, pages of waiting deliveries, what is due, and who claims a sequence.
import { prepared, type Queryable } from '#database';
import type { WaybillEvent } from '#events';
import { type BlockReason, type Delivery, Lane, type LaneMode } from '#lane';

export interface LaneId {
  endpointId: string;
  streamId: string;
}

interface LaneRow {
  endpoint_id: string;
  stream_id: string;
  tenant_id: string;
  partition: number;
  delivered: number;
  state: LaneMode;
  attempts: number;
  next_attempt_at: number | null;
  head_event_id: string | null;
  blocked_since: number | null;
  last_error_class: string | null;
  reason: BlockReason | null;
}

const ms = (column: string) => `extract(epoch FROM ${column})::float8 * 1000`;
const iso = (column: string) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`;

const laneColumns = `l.endpoint_id, l.stream_id, l.tenant_id, l.partition, l.delivered, l.state, l.attempts,
  ${ms('l.next_attempt_at')} AS next_attempt_at, l.head_event_id, ${ms('l.blocked_since')} AS blocked_since,
  l.last_error_class, l.reason`;

function toLane(row: LaneRow): Lane {
  const lane = new Lane({
    endpointId: row.endpoint_id,
    streamId: row.stream_id,
    tenantId: row.tenant_id,
    partition: row.partition,
  });
  lane.delivered = row.delivered;
  lane.mode = row.state;
  lane.attempts = row.attempts;
  lane.nextAttemptAt = row.next_attempt_at;
  lane.headEventId = row.head_event_id;
  lane.blockedSince = row.blocked_since;
  lane.lastErrorClass = row.last_error_class;
  lane.reason = row.reason;
  return lane;
}

/** The lanes among `ids` that have a row; a lane without one stands at delivered 0, open. */
export async function findLanes(db: Queryable, ids: readonly LaneId[]): Promise<Lane[]> {
  const { rows } = await prepared<LaneRow>(
    db,
    'delivery_find_lanes',
    `SELECT ${laneColumns} FROM unnest($1::uuid[], $2::text[]) AS k(endpoint_id, stream_id)
       JOIN waybill.lane l ON l.endpoint_id = k.endpoint_id AND l.stream_id = k.stream_id`,
    [ids.map((id) => id.endpointId), ids.map((id) => id.streamId)],
  );
  return rows.map(toLane);
}

/** Parked lanes of `partitions` due until `until` (database ms), the longest due first, but not those of `closedEndpoints`. */
export async function findDueLanes(
  db: Queryable,
  query: { partitions: readonly number[]; closedEndpoints: readonly string[]; until: number; limit: number },
): Promise<Lane[]> {
  const { rows } = await prepared<LaneRow>(
    db,
    'delivery_find_due_lanes',
    `SELECT ${laneColumns} FROM waybill.lane l
      WHERE l.partition = ANY ($1::int[]) AND l.state = 'parked' AND l.next_attempt_at <= to_timestamp($3::float8 / 1000)
        AND l.endpoint_id <> ALL ($2::uuid[])
      ORDER BY l.next_attempt_at LIMIT $4`,
    [query.partitions, query.closedEndpoints, query.until, query.limit],
  );
  return rows.map(toLane);
}

/** The parked lane of one endpoint that has waited longest: for a circuit breaker's probe, which so rotates over lanes. */
export async function findProbeLane(
  db: Queryable,
  partitions: readonly number[],
  endpointId: string,
): Promise<Lane | undefined> {
  const { rows } = await db.query<LaneRow>(
    `SELECT ${laneColumns} FROM waybill.lane l
      WHERE l.partition = ANY ($1::int[]) AND l.state = 'parked' AND l.endpoint_id = $2 ORDER BY l.next_attempt_at LIMIT 1`,
    [partitions, endpointId],
  );
  return rows[0] && toLane(rows[0]);
}

/** Halted lanes of one endpoint: what is left to settle when the endpoint is deleted. */
export async function findHaltedLanes(
  db: Queryable,
  partitions: readonly number[],
  endpointId: string,
  limit: number,
): Promise<Lane[]> {
  const { rows } = await db.query<LaneRow>(
    `SELECT ${laneColumns} FROM waybill.lane l
      WHERE l.partition = ANY ($1::int[]) AND l.state = 'halted' AND l.endpoint_id = $2 LIMIT $3`,
    [partitions, endpointId, limit],
  );
  return rows.map(toLane);
}

/** The endpoints that have halted lanes. */
export async function findHaltedEndpoints(db: Queryable, partitions: readonly number[]): Promise<string[]> {
  const { rows } = await db.query<{ endpoint_id: string }>(
    `SELECT DISTINCT endpoint_id FROM waybill.lane WHERE partition = ANY ($1::int[]) AND state = 'halted'`,
    [partitions],
  );
  return rows.map((row) => row.endpoint_id);
}

interface DeliveryRow {
  endpoint_id: string;
  event_id: string;
  tenant_id: string;
  stream_id: string;
  sequence: number | null;
  event_type: string;
  partition: number;
  payload: string;
  payload_fault: string | null;
  traceparent: string | null;
  occurred_at: string;
  enqueued_at: string;
  attempts: number;
  attempts_epoch: number;
  status_code: number | null;
  error_class: string | null;
  first_attempt_at: number | null;
  last_attempt_at: number | null;
  last_duration_ms: number | null;
  next_attempt_at: number | null;
}

const deliveryColumns = `d.endpoint_id, d.event_id, d.tenant_id, d.stream_id, d.sequence, d.event_type, d.partition, d.payload,
  d.payload_fault, d.traceparent, ${iso('d.occurred_at')} AS occurred_at, ${iso('d.enqueued_at')} AS enqueued_at,
  d.attempts, d.attempts_epoch, d.status_code, d.error_class, ${ms('d.first_attempt_at')} AS first_attempt_at,
  ${ms('d.last_attempt_at')} AS last_attempt_at, d.last_duration_ms, ${ms('d.next_attempt_at')} AS next_attempt_at`;

/** `admittedAt`: monotonic ms. */
function toDelivery(row: DeliveryRow, admittedAt: number): Delivery {
  const event: WaybillEvent = {
    eventId: row.event_id,
    type: row.event_type,
    tenantId: row.tenant_id,
    streamId: row.stream_id,
    occurredAt: row.occurred_at,
    enqueuedAt: row.enqueued_at,
    targets: [{ endpointId: row.endpoint_id, sequence: row.sequence }],
    payload: Buffer.from(row.payload),
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    ...(row.payload_fault === null ? {} : { payloadFault: row.payload_fault }),
  };
  return {
    event,
    endpointId: row.endpoint_id,
    sequence: row.sequence,
    attempts: row.attempts,
    attemptsEpoch: row.attempts_epoch,
    firstAttemptAt: row.first_attempt_at,
    last:
      row.last_attempt_at === null
        ? null
        : {
            statusCode: row.status_code,
            errorClass: row.error_class,
            startedAt: row.last_attempt_at,
            durationMs: row.last_duration_ms ?? 0,
            isUnknown: false,
          },
    stored: true,
    admittedAt,
    positions: [],
  };
}

export interface PageRequest extends LaneId {
  /** Rows above this sequence. */
  after: number;
}

/** Bytes of payload that one page brings into memory, beyond its first delivery. */
const PAGE_BYTES = 262_144;

/**
 * The next waiting deliveries of each lane, in sequence order, at most `limit` and 256 KiB of payload a lane (but always
 * one); one entry a request, in its order.
 */
export async function loadPages(
  db: Queryable,
  requests: readonly PageRequest[],
  limit: number,
  admittedAt: number,
): Promise<Delivery[][]> {
  const { rows } = await prepared<DeliveryRow & { request: number }>(
    db,
    'delivery_load_pages',
    `SELECT k.request::int AS request, ${deliveryColumns}
       FROM unnest($1::uuid[], $2::text[], $3::bigint[]) WITH ORDINALITY AS k(endpoint_id, stream_id, after, request)
       CROSS JOIN LATERAL (
         SELECT *, sum(octet_length(payload)) OVER (ORDER BY sequence) - octet_length(payload) AS bytes_before FROM (
           SELECT * FROM waybill.delivery d
            WHERE d.endpoint_id = k.endpoint_id AND d.stream_id = k.stream_id AND d.sequence > k.after
            ORDER BY d.sequence LIMIT $4) page) d
      WHERE d.bytes_before < ${PAGE_BYTES} ORDER BY k.request, d.sequence`,
    [
      requests.map((one) => one.endpointId),
      requests.map((one) => one.streamId),
      requests.map((one) => one.after),
      limit,
    ],
  );
  const pages: Delivery[][] = requests.map(() => []);
  for (const row of rows) pages[row.request - 1]!.push(toDelivery(row, admittedAt));
  return pages;
}

/** A waiting unordered delivery: it has no lane's row that would know these. */
export interface DueDelivery {
  delivery: Delivery;
  partition: number;
  /** Database ms. */
  nextAttemptAt: number;
  /** Attempts that count against the endpoint's limit: less probes, and requests that we cut ourselves. */
  countedAttempts: number;
}

const countedAttempts = `(SELECT count(*) FROM waybill.attempt a
  WHERE a.event_id = d.event_id AND a.endpoint_id = d.endpoint_id AND a.enqueued_at = d.enqueued_at AND a.counted
  )::int AS counted_attempts`;

interface DueRow extends DeliveryRow {
  counted_attempts: number;
}

const SWEEP_BYTES = 16 * 1_048_576;

/** Unordered deliveries of `partitions` due until `until`, the longest due first, at most 16 MiB of payload. */
export async function findDueUnordered(
  db: Queryable,
  query: {
    partitions: readonly number[];
    closedEndpoints: readonly string[];
    until: number;
    limit: number;
    admittedAt: number;
  },
): Promise<DueDelivery[]> {
  const { rows } = await prepared<DueRow>(
    db,
    'delivery_find_due_unordered',
    `SELECT ${deliveryColumns}, ${countedAttempts} FROM (
       SELECT *, sum(octet_length(payload)) OVER (ORDER BY next_attempt_at, event_id) AS bytes FROM (
         SELECT * FROM waybill.delivery d
          WHERE d.sequence IS NULL AND d.partition = ANY ($1::int[]) AND d.next_attempt_at <= to_timestamp($3::float8 / 1000)
            AND d.endpoint_id <> ALL ($2::uuid[])
          ORDER BY d.next_attempt_at LIMIT $4) due) d
      WHERE d.bytes < ${SWEEP_BYTES} ORDER BY d.next_attempt_at`,
    [query.partitions, query.closedEndpoints, query.until, query.limit],
  );
  return rows.map((row) => toDue(row, query.admittedAt));
}

function toDue(row: DueRow, admittedAt: number): DueDelivery {
  return {
    delivery: toDelivery(row, admittedAt),
    partition: row.partition,
    nextAttemptAt: row.next_attempt_at ?? 0,
    countedAttempts: row.counted_attempts,
  };
}

export interface UnorderedId {
  endpointId: string;
  eventId: string;
  /** The history's partition key. */
  enqueuedAt: string;
}

/** What is known of unordered deliveries: those that wait, and those that are terminal (never sent again). */
export async function findUnordered(
  db: Queryable,
  ids: readonly UnorderedId[],
  admittedAt: number,
): Promise<{ waiting: DueDelivery[]; terminal: Set<string> }> {
  const values = [ids.map((id) => id.endpointId), ids.map((id) => id.eventId)];
  const waiting = await prepared<DueRow>(
    db,
    'delivery_find_unordered_waiting',
    `SELECT ${deliveryColumns}, ${countedAttempts} FROM unnest($1::uuid[], $2::uuid[]) AS k(endpoint_id, event_id)
       JOIN waybill.delivery d ON d.endpoint_id = k.endpoint_id AND d.event_id = k.event_id`,
    values,
  );
  const terminal = await prepared<{ key: string }>(
    db,
    'delivery_find_unordered_terminal',
    `SELECT h.endpoint_id || ' ' || h.event_id AS key
       FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS k(endpoint_id, event_id, enqueued_at)
       JOIN waybill.delivery_history h
         ON h.event_id = k.event_id AND h.endpoint_id = k.endpoint_id AND h.enqueued_at = k.enqueued_at`,
    [...values, ids.map((id) => id.enqueuedAt)],
  );
  return {
    waiting: waiting.rows.map((row) => toDue(row, admittedAt)),
    terminal: new Set(terminal.rows.map((row) => row.key)),
  };
}

export interface OpenCommand extends LaneId {
  id: string;
  partition: number;
  kind: 'retry' | 'skip' | 'event_lost';
  sequence: number;
  reason: string;
  requestedBy: string;
}

/** Operator commands that wait for the owner of their lane, oldest first. */
export async function findOpenCommands(
  db: Queryable,
  partitions: readonly number[],
  limit: number,
): Promise<OpenCommand[]> {
  const { rows } = await prepared<OpenCommand>(
    db,
    'delivery_find_open_commands',
    `SELECT id, endpoint_id AS "endpointId", stream_id AS "streamId", partition, kind, sequence, reason,
            requested_by AS "requestedBy"
       FROM waybill.operator_command WHERE partition = ANY ($1::int[]) AND closed_at IS NULL
      ORDER BY requested_at LIMIT $2`,
    [partitions, limit],
  );
  return rows;
}
