// What a history folder holds: the types of its files, which the runner writes and the checker reads.
// Instants named `…At` are ms since 1970 by the machine's clock, fractions allowed; columns of the database are as `row_to_json` writes them.

/** An instant as text that `Date.parse` takes: `row_to_json` and the API write it so. */
export type InstantText = string;

/** `manifest.json` */
export interface Manifest {
  version: 1;
  seed: number;
  startedAt: number;
  endedAt: number;
  /** When everything had come to rest; null when the bound for that passed first. */
  quiescedAt: number | null;
  /** When all services had ended by SIGTERM; null when they did not. */
  shutDownCleanlyAt: number | null;
  partitions: number;
  topicPrefix: string;
  endpoints: Endpoint[];
  bounds: Bounds;
  /** Texts that may be in no log, metric, topic header or error: tokens, secrets, card numbers, marked payload values. */
  secretsToHide: string[];
}

export type Format = 'signed-json' | 'encrypted-envelope' | 'standard-webhooks';

export interface Endpoint {
  id: string;
  tenantId: string;
  /** Of its URL: tells the arrivals of endpoints apart. */
  path: string;
  format: Format;
  /** Newest last. Each was valid from `fromAt` until `untilAt`, the end of the overlap with its successor. */
  secrets: EndpointSecret[];
  initialDelayMs: number;
  maxDelayMs: number;
  maxRetries: number;
  timeoutMs: number;
  successStatus: '2xx' | '200';
  onExhausted: 'block' | 'skip';
  /** Its receiver was never told to fail, hang or cut. */
  isHealthy: boolean;
  /** null: every type. */
  eventTypes: string[] | null;
  deletedAt: number | null;
}

export interface EndpointSecret {
  secret: string;
  encoding: 'utf8' | 'hex' | 'base64';
  fromAt: number;
  untilAt: number | null;
}

export interface Bounds {
  /** An attempt may start this much after it was due, outside fault windows. */
  retryLateMs: number;
  /** By what was hit: a fault's `target` begins with one of these words. */
  recoveryMs: { relay: number; consumer: number; broker: number; database: number; default: number };
  /** p99 from commit to first arrival of healthy lanes while others fail ≤ factor × the undisturbed p99, or ≤ the floor. */
  healthyLatencyFactor: number;
  healthyLatencyFloorMs: number;
  /** A hanging request is cut at the endpoint's timeout ± this share of it. */
  timeoutTolerance: number;
}

/** A line of `writer.jsonl`: one transaction of the domain service. */
export interface WriterTransaction {
  tx: number | string;
  beganAt: number;
  endedAt: number;
  outcome: 'committed' | 'rolled_back' | 'unknown';
  /** In the order of the calls. */
  events: WrittenEvent[];
}

export interface WrittenEvent {
  /** null: nobody wants the type, or the connection broke before the id came back. */
  eventId: string | null;
  tenantId: string;
  streamId: string;
  type: string;
  /** Of the payload's exact bytes, lower-case hex. */
  bodySha256: string;
  /** The writer's own unique value, which the payload's text contains: finds the events whose id never came back. */
  key: string;
}

/** A line of `receiver.jsonl`: one request, in the order of arrival. */
export interface Arrival {
  /** 1, 2, 3 … over all endpoints. */
  n: number;
  /** The whole request had been read. */
  receivedAt: number;
  /** Just before the last byte of the answer was handed over, so that nobody can know of it earlier, or the connection cut; null: no answer was begun. */
  answeredAt: number | null;
  path: string;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: string;
  /** The decision; null: none was made (it hung, or cut the connection before). */
  status: number | null;
  /** `full`: the answer was written whole; `cut`: begun and broken off, at the earliest after the status line; `none`: not a byte. */
  answer: 'full' | 'cut' | 'none';
  /** The Retry-After header of the answer. */
  retryAfter: string | null;
  /** What the receiver had been told to do, for the report: `ok`, `fail:500`, `hang` … */
  behaviour: string;
}

export type DeliveryState = 'pending' | 'parked' | 'delivered' | 'exhausted' | 'skipped' | 'expired';

/** A line of `deliveries.jsonl`: a row of waybill.delivery or waybill.delivery_history. */
export interface DeliveryRow {
  table: 'delivery' | 'delivery_history';
  endpoint_id: string;
  event_id: string;
  tenant_id: string;
  stream_id: string;
  sequence: number | null;
  event_type: string;
  partition: number;
  state: DeliveryState;
  payload: string;
  /** Not null: its schema refuses the payload. */
  payload_fault: string | null;
  occurred_at: InstantText;
  enqueued_at: InstantText;
  attempts: number;
  status_code: number | null;
  error_class: string | null;
  first_attempt_at: InstantText | null;
  last_attempt_at: InstantText | null;
  /** Of waiting unordered deliveries. */
  next_attempt_at?: InstantText | null;
  /** Of finished ones. */
  reason?: string | null;
  finished_at?: InstantText;
}

/** A line of `attempts.jsonl`: a row of waybill.attempt. */
export interface AttemptRow {
  endpoint_id: string;
  event_id: string;
  enqueued_at: InstantText;
  epoch: number;
  number: number;
  outcome: 'success' | 'failure' | 'unknown';
  error_class: string | null;
  status_code: number | null;
  started_at: InstantText;
  duration_ms: number;
  counted: boolean;
  earlier_attempts_possible: boolean;
  /** JSON text. */
  request_headers: string;
  response_headers: string | null;
  response_body: string | null;
}

/** A line of `lanes.jsonl`: a row of waybill.lane. */
export interface LaneRow {
  endpoint_id: string;
  stream_id: string;
  tenant_id: string;
  partition: number;
  delivered: number;
  state: 'open' | 'parked' | 'halted';
  attempts: number;
  next_attempt_at: InstantText | null;
  head_event_id: string | null;
  blocked_since: InstantText | null;
  last_error_class: string | null;
  reason: string | null;
}

/** A line of `commands.jsonl`: a row of waybill.operator_command. */
export interface CommandRow {
  id: string;
  endpoint_id: string;
  stream_id: string;
  partition: number;
  kind: 'retry' | 'skip';
  sequence: number;
  reason: string;
  requested_by: string;
  requested_at: InstantText;
  closed_at: InstantText | null;
  result: 'applied' | 'void' | null;
}

/** A line of `audit.jsonl`: a row of waybill.audit_entry. */
export interface AuditRow {
  id: number;
  at: InstantText;
  actor: string;
  role: string;
  action: string;
  target: string;
  tenant_id: string | null;
  reason: string | null;
  details: Record<string, unknown> | null;
}

/** A line of `api-deliveries.jsonl`: what `GET /v1/deliveries/{id}` answered after everything had come to rest; more fields are welcome. */
export interface ApiDelivery {
  eventId: string;
  endpointId: string;
  streamId: string;
  sequence: number | null;
  state: DeliveryState;
  statusCode: number | null;
  errorClass: string | null;
  attempts: number;
  attemptRecords: ApiAttempt[];
}

export interface ApiAttempt {
  number: number;
  epoch: number;
  outcome: 'success' | 'failure' | 'unknown';
  statusCode: number | null;
  errorClass: string | null;
}

/** A line of `topics.jsonl`. */
export interface TopicRecord {
  topic: string;
  partition: number;
  offset: number | string;
  /** ms since 1970. */
  timestamp: number | string;
  key: string | null;
  headers: Record<string, string>;
  valueBase64: string | null;
}

/** A line of `faults.jsonl`. */
export interface Fault {
  /** 1, 2, 3 … */
  n: number;
  /** Of the fault matrix, e.g. `F4`. */
  row: string;
  /** `kill`, `term`, `pause`, `restart`, `cut`, `sql` … */
  kind: string;
  /** What was hit: `consumer-1`, `relay-2`, `broker-3`, `database`, `registry`, `receiver`, `endpoint` … */
  target: string;
  beganAt: number;
  endedAt: number;
  detail?: string;
  /** No duplicate is allowed because of it: SIGTERM, an added process. */
  isClean: boolean;
}

/**
 * A line of `stalls.jsonl`: the machine itself made a process outside the product wait, so it may have made the product wait too,
 * e.g. a timer of the runner's that was half a second late. No fault, but an excuse like one.
 */
export interface Stall {
  from: number;
  until: number;
}

/** A line of `recoveries.jsonl`: how long after the fault's beginning, or its end where the hit part stays away, events flowed again. */
export interface Recovery {
  /** `n` of the fault. */
  fault: number;
  /** null: not within the time that was waited. Counted from the last of the faults that came before events flowed again. */
  recoveredAfterMs: number | null;
  /** The others of these faults: the longest of their bounds counts. */
  with?: number[];
}

/** A line of `samples.jsonl`. */
export interface Sample {
  at: number;
  /** `consumer-1` … */
  process: string;
  /** Tells the lives of one process name apart. */
  pid?: number;
  ready: boolean;
  rssBytes: number;
  cpuMs: number;
  /** `name{label="value"}` → value */
  metrics: Record<string, number>;
}
