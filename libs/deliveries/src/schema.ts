// The delivery side's tables: who owns a partition, where each lane stands, and what became of every event at every endpoint.
export const schemaSql = `
CREATE SCHEMA IF NOT EXISTS waybill;

-- Facts fixed at the first migration: topic_partitions.
CREATE TABLE waybill.setting (name text PRIMARY KEY, value text NOT NULL);

-- The fence. Every state transaction share-locks its partitions' rows and checks holder and epoch.
CREATE TABLE waybill.partition_owner (
  partition integer PRIMARY KEY,
  holder text,
  epoch bigint NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

-- Where each lane (endpoint x stream) stands. No row: delivered 0, open. Never deleted while outbox.stream knows it.
--   delivered     the last sequence that reached a terminal state; the head is the next one
--   attempts      failed attempts of the head in this round: an operator's retry begins a new round
--   next_attempt_at, blocked_since, head_event_id, last_error_class: of the head, while the lane is not open
--   reason        why it is not open: failed | spilled | gap | exhausted | invalid_payload | sequence_conflict | ...
CREATE TABLE waybill.lane (
  endpoint_id uuid NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  delivered bigint NOT NULL,
  state text NOT NULL CHECK (state IN ('open', 'parked', 'halted')),
  attempts integer NOT NULL DEFAULT 0,
  next_attempt_at timestamptz,
  head_event_id uuid,
  blocked_since timestamptz,
  last_error_class text,
  reason text,
  PRIMARY KEY (endpoint_id, stream_id)
) WITH (fillfactor = 70);
CREATE INDEX lane_due ON waybill.lane (partition, next_attempt_at) WHERE state = 'parked';
CREATE INDEX lane_blocked ON waybill.lane (state, blocked_since) WHERE state <> 'open';
CREATE INDEX lane_stream ON waybill.lane (stream_id);

-- Deliveries that wait: parked behind a failed head, spilled from memory, exhausted on a lane. Terminal ones are in delivery_history.
CREATE TABLE waybill.delivery (
  endpoint_id uuid NOT NULL,
  event_id uuid NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  sequence bigint,
  event_type text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  state text NOT NULL CHECK (state IN ('pending', 'parked', 'exhausted')),
  payload text NOT NULL,
  payload_fault text,
  traceparent text,
  occurred_at timestamptz NOT NULL,
  enqueued_at timestamptz NOT NULL,
  user_id text COLLATE "C",
  card_id text COLLATE "C",
  transaction_id text COLLATE "C",
  attempts integer NOT NULL DEFAULT 0,
  attempts_epoch bigint NOT NULL DEFAULT 0,
  status_code integer,
  error_class text COLLATE "C",
  first_attempt_at timestamptz,
  last_attempt_at timestamptz,
  last_duration_ms integer,
  next_attempt_at timestamptz,
  PRIMARY KEY (endpoint_id, event_id),
  CONSTRAINT delivery_sequence UNIQUE (endpoint_id, stream_id, sequence)
) WITH (fillfactor = 80);
CREATE INDEX delivery_due_unordered ON waybill.delivery (partition, next_attempt_at) WHERE sequence IS NULL;

-- Terminal deliveries, partitioned by the outbox row's immutable instant, so that a record read twice finds the same row.
CREATE TABLE waybill.delivery_history (
  endpoint_id uuid NOT NULL,
  event_id uuid NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  sequence bigint,
  event_type text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  state text NOT NULL CHECK (state IN ('delivered', 'exhausted', 'skipped', 'expired')),
  payload text NOT NULL,
  payload_fault text,
  traceparent text,
  occurred_at timestamptz NOT NULL,
  enqueued_at timestamptz NOT NULL,
  user_id text COLLATE "C",
  card_id text COLLATE "C",
  transaction_id text COLLATE "C",
  attempts integer NOT NULL,
  status_code integer,
  error_class text COLLATE "C",
  reason text,
  first_attempt_at timestamptz,
  last_attempt_at timestamptz,
  last_duration_ms integer,
  finished_at timestamptz NOT NULL,
  PRIMARY KEY (event_id, endpoint_id, enqueued_at)
) PARTITION BY RANGE (enqueued_at);
CREATE TABLE waybill.delivery_history_default PARTITION OF waybill.delivery_history DEFAULT;

-- One HTTP request each. The epoch is part of the key: an owner that died unflushed may have used the same number.
CREATE TABLE waybill.attempt (
  endpoint_id uuid NOT NULL,
  event_id uuid NOT NULL,
  enqueued_at timestamptz NOT NULL,
  epoch bigint NOT NULL,
  number integer NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('success', 'failure', 'unknown')),
  error_class text,
  status_code integer,
  started_at timestamptz NOT NULL,
  duration_ms integer NOT NULL,
  counted boolean NOT NULL DEFAULT true,
  earlier_attempts_possible boolean NOT NULL DEFAULT false,
  request_headers text NOT NULL,
  response_headers text,
  response_body text,
  PRIMARY KEY (event_id, endpoint_id, epoch, number, enqueued_at)
) PARTITION BY RANGE (enqueued_at);
CREATE TABLE waybill.attempt_default PARTITION OF waybill.attempt DEFAULT;

-- What operators ask of a lane's owner: applied and closed in the owner's fenced transaction.
CREATE TABLE waybill.operator_command (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  endpoint_id uuid NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  partition integer NOT NULL,
  kind text NOT NULL CHECK (kind IN ('retry', 'skip')),
  sequence bigint NOT NULL,
  reason text NOT NULL,
  requested_by text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  closed_at timestamptz,
  result text CHECK (result IN ('applied', 'void'))
);
CREATE INDEX operator_command_open ON waybill.operator_command (partition, requested_at) WHERE closed_at IS NULL;
CREATE INDEX operator_command_lane ON waybill.operator_command (endpoint_id, stream_id, requested_at);
`;

/**
 * One index for each filter of GET /v1/deliveries, in the order of its pages. Partial where most rows have no value; text
 * columns are COLLATE "C", so the same indexes serve a search by the beginning of an id.
 */
export const searchIndexesSql = ['delivery', 'delivery_history']
  .map(
    (table) => `
CREATE INDEX ${table}_by_tenant ON waybill.${table} (tenant_id, enqueued_at, event_id);
CREATE INDEX ${table}_by_endpoint ON waybill.${table} (endpoint_id, enqueued_at, event_id);
CREATE INDEX ${table}_by_type ON waybill.${table} (event_type, enqueued_at);
CREATE INDEX ${table}_by_stream ON waybill.${table} (stream_id, enqueued_at);
CREATE INDEX ${table}_by_state ON waybill.${table} (state, enqueued_at) WHERE state <> 'delivered';
CREATE INDEX ${table}_by_status_code ON waybill.${table} (status_code, enqueued_at) WHERE status_code NOT BETWEEN 200 AND 299;
CREATE INDEX ${table}_by_error_class ON waybill.${table} (error_class, enqueued_at) WHERE error_class IS NOT NULL;
CREATE INDEX ${table}_by_user ON waybill.${table} (user_id, enqueued_at) WHERE user_id IS NOT NULL;
CREATE INDEX ${table}_by_card ON waybill.${table} (card_id, enqueued_at) WHERE card_id IS NOT NULL;
CREATE INDEX ${table}_by_transaction ON waybill.${table} (transaction_id, enqueued_at) WHERE transaction_id IS NOT NULL;
`,
  )
  .join('');
