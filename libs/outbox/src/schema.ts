// The tables of the outbox schema, as the first migration creates them; the relay and the domain services know nothing else.
export const schemaSql = `
CREATE SCHEMA outbox;

-- Lease, progress and window of each shard. A shard is a share of the streams: shard_of() says which.
--   prev            everything visible in this snapshot has been published
--   floor_id        rows of transactions at or above the xmax of prev have a greater id
--   target, last_id the window (prev, target] being published, page by page: last_id is its last published row
CREATE TABLE outbox.shard (
  shard smallint PRIMARY KEY,
  holder text,
  epoch bigint NOT NULL DEFAULT 0,
  lease_until timestamptz NOT NULL DEFAULT '-infinity',
  system_identifier text,
  prev pg_snapshot NOT NULL,
  floor_id bigint NOT NULL DEFAULT 0,
  target pg_snapshot,
  target_floor_id bigint,
  last_id bigint NOT NULL DEFAULT 0,
  stored_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Relays that are alive, so that each takes its share of the shards and no more.
CREATE TABLE outbox.relay (holder text PRIMARY KEY, alive_until timestamptz NOT NULL);

CREATE TABLE outbox.event_type (
  event_type text COLLATE "C" PRIMARY KEY,
  ordering text NOT NULL CHECK (ordering IN ('stream', 'none'))
);

-- Who wants what: one row for each endpoint and type, or '*' for every type. Written with the endpoint, in its transaction.
CREATE TABLE outbox.route (
  tenant_id text COLLATE "C" NOT NULL,
  event_type text COLLATE "C" NOT NULL,
  endpoint_id uuid NOT NULL,
  PRIMARY KEY (tenant_id, event_type, endpoint_id)
);
CREATE INDEX route_endpoint ON outbox.route (endpoint_id);

-- One row a stream. Its publishers update it, and so come into one order; it counts what they publish for each lane:
--   position      the ordered events of the stream
--   endpoint_ids  the endpoints that ever wanted one, in order of their ids
--   missed        how many of the events each of them did not want: its last sequence is position - missed
-- One row and not one a lane: while the same endpoints want each event, publishing updates one number in place (HOT).
-- Never deleted while waybill.lane knows a lane of it.
CREATE TABLE outbox.stream (
  tenant_id text COLLATE "C" NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  shard smallint NOT NULL,
  position bigint NOT NULL,
  endpoint_ids uuid[] NOT NULL,
  missed bigint[] NOT NULL,
  PRIMARY KEY (tenant_id, stream_id)
) WITH (fillfactor = 70);

-- Event ids that publishers gave: the second call with the same id is a no-op. Kept for the retention.
CREATE TABLE outbox.event_key (
  tenant_id text COLLATE "C" NOT NULL,
  event_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, event_id)
);
CREATE INDEX event_key_created ON outbox.event_key (created_at);

-- CACHE 1: the id is drawn after the locks, so id order is lane order. A cached range would break that.
CREATE SEQUENCE outbox.event_id AS bigint CACHE 1;

-- The committed events. Rows are never updated (but after a restore: shards.ts) and never deleted one by one: partitions are dropped.
--   xid      the top-level transaction, the unit of the relay's snapshot windows
--   targets  [[endpoint id, sequence or null], ...], the text that goes into the record's header as it is
--   payload  json, not jsonb: the committed bytes are the delivered bytes
CREATE TABLE outbox.event (
  id bigint NOT NULL DEFAULT nextval('outbox.event_id'),
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  shard smallint NOT NULL,
  event_id uuid NOT NULL,
  tenant_id text COLLATE "C" NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  event_type text COLLATE "C" NOT NULL,
  targets json NOT NULL,
  payload json NOT NULL,
  payload_bytes integer NOT NULL,
  traceparent text,
  occurred_at timestamptz NOT NULL,
  enqueued_at timestamptz NOT NULL DEFAULT clock_timestamp()
) PARTITION BY RANGE (enqueued_at);
ALTER SEQUENCE outbox.event_id OWNED BY outbox.event.id;
CREATE INDEX event_shard_id ON outbox.event (shard, id);
CREATE INDEX event_shard_xid ON outbox.event (shard, xid, id);
CREATE INDEX event_event_id ON outbox.event (event_id);
CREATE TABLE outbox.event_default PARTITION OF outbox.event DEFAULT;

-- Events to publish again, from the rows above: filled by the reconciler and by operators, emptied by the relay.
CREATE TABLE outbox.republish_request (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event_id uuid NOT NULL,
  reason text NOT NULL,
  requested_at timestamptz NOT NULL DEFAULT now(),
  done_at timestamptz,
  result text
);
CREATE INDEX republish_request_open ON outbox.republish_request (id) WHERE done_at IS NULL;
`;

/** The shard of a stream, for ever: `shards` is written into the function once, at the first migration. */
export const shardSql = (shards: number) => `
CREATE FUNCTION outbox.shard_of(stream_id text) RETURNS smallint LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT ((('x' || substr(md5(stream_id), 1, 8))::bit(32)::bigint) % ${shards})::smallint $$;
INSERT INTO outbox.shard (shard, prev) SELECT n, '3:3:' FROM generate_series(0, ${shards - 1}) n;
`;
