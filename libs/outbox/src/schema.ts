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

-- One row a stream, there to be locked: it puts the publishers of a stream in one order.
CREATE TABLE outbox.stream (
  tenant_id text COLLATE "C" NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  PRIMARY KEY (tenant_id, stream_id)
);

-- The last sequence given out on each lane. Never deleted while waybill.lane knows the lane.
CREATE TABLE outbox.lane_sequence (
  endpoint_id uuid NOT NULL,
  stream_id text COLLATE "C" NOT NULL,
  sequence bigint NOT NULL,
  PRIMARY KEY (endpoint_id, stream_id)
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

/** RFC 9562 UUIDv7: time-ordered ids keep the delivery indexes' inserts in one place. PostgreSQL 18 has its own; 15 to 17 have not. */
export const uuidSql = `
CREATE FUNCTION outbox.uuid_v7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
  SELECT encode(set_byte(
    overlay(uuid_send(gen_random_uuid()) PLACING
      substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
    6, (random() * 15)::int | 112), 'hex')::uuid
$$;
`;

/** 1 to 200 printable ASCII characters without spaces. A bound inside the pattern would cost 15 us a call: its automaton is built anew. */
export const isNameSql = `
CREATE FUNCTION outbox.is_name(name text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $$ SELECT octet_length(name) BETWEEN 1 AND 200 AND name COLLATE "C" !~ '[^!-~]' $$;
`;

/** The one call of every domain service. Its order of steps is the ordering protocol: see the comments. */
export const publishEventSql = `
CREATE FUNCTION outbox.publish_event(
  tenant_id text, stream_id text, event_type text, payload json,
  occurred_at timestamptz DEFAULT now(), event_id uuid DEFAULT NULL, traceparent text DEFAULT NULL
) RETURNS uuid LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
  wanted_by uuid[];
  wanted uuid;
  next_sequence bigint;
  unordered boolean;
  event_targets text;
  bytes integer := octet_length(publish_event.payload::text);
  new_id uuid := publish_event.event_id;
BEGIN
  IF publish_event.payload IS NULL THEN
    RAISE EXCEPTION 'outbox.publish_event: payload must not be NULL' USING ERRCODE = 'null_value_not_allowed';
  ELSIF bytes > 524288 THEN
    RAISE EXCEPTION 'outbox.publish_event: payload has % bytes, at most 524288 are allowed', bytes USING ERRCODE = 'program_limit_exceeded';
  ELSIF NOT coalesce(outbox.is_name(publish_event.tenant_id), false) THEN
    RAISE EXCEPTION 'outbox.publish_event: tenant_id must be 1 to 200 printable ASCII characters without spaces'
      USING ERRCODE = 'invalid_parameter_value';
  ELSIF NOT coalesce(outbox.is_name(publish_event.stream_id), false) THEN
    RAISE EXCEPTION 'outbox.publish_event: stream_id must be 1 to 200 printable ASCII characters without spaces'
      USING ERRCODE = 'invalid_parameter_value';
  ELSIF NOT coalesce(outbox.is_name(publish_event.event_type), false) OR publish_event.event_type = '*' THEN
    RAISE EXCEPTION 'outbox.publish_event: event_type must be 1 to 200 printable ASCII characters without spaces, and not *'
      USING ERRCODE = 'invalid_parameter_value';
  ELSIF publish_event.occurred_at IS NULL OR publish_event.occurred_at < '0001-01-01Z' OR publish_event.occurred_at >= '10000-01-01Z' THEN
    RAISE EXCEPTION 'outbox.publish_event: occurred_at must be an instant from year 1 to 9999' USING ERRCODE = 'invalid_parameter_value';
  ELSIF NOT outbox.is_name(publish_event.traceparent) THEN
    RAISE EXCEPTION 'outbox.publish_event: traceparent must be 1 to 200 printable ASCII characters without spaces'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF current_setting('synchronous_commit') IN ('off', 'local') THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;

  SELECT array_agg(r.endpoint_id),
         coalesce((SELECT t.ordering = 'none' FROM outbox.event_type t WHERE t.event_type = publish_event.event_type), false)
    INTO wanted_by, unordered FROM outbox.route r
   WHERE r.tenant_id = publish_event.tenant_id AND r.event_type IN (publish_event.event_type, '*');
  IF wanted_by IS NULL THEN
    RETURN NULL;
  ELSIF cardinality(wanted_by) > 1 THEN
    wanted_by := ARRAY(SELECT DISTINCT w FROM unnest(wanted_by) w ORDER BY w);
  END IF;

  -- The stream's row first: two publishers with different endpoints in common can't deadlock on the lanes. Either way the
  -- transaction has its id before the event's is drawn: the relay concludes from the order of the one on that of the other.
  IF unordered THEN
    PERFORM pg_current_xact_id();
  ELSE
    PERFORM FROM outbox.stream s
      WHERE s.tenant_id = publish_event.tenant_id AND s.stream_id = publish_event.stream_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
      INSERT INTO outbox.stream AS s (tenant_id, stream_id) VALUES (publish_event.tenant_id, publish_event.stream_id)
        ON CONFLICT (tenant_id, stream_id) DO UPDATE SET stream_id = s.stream_id;
    END IF;
  END IF;

  IF new_id IS NULL THEN
    new_id := outbox.uuid_v7();
  ELSE
    INSERT INTO outbox.event_key (tenant_id, event_id) VALUES (publish_event.tenant_id, new_id) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
      RETURN new_id;
    END IF;
  END IF;

  -- The lanes in endpoint order. No row for an unordered type: it is never blocked, so it has no sequence.
  FOREACH wanted IN ARRAY wanted_by LOOP
    IF NOT unordered THEN
      INSERT INTO outbox.lane_sequence AS l (endpoint_id, stream_id, sequence) VALUES (wanted, publish_event.stream_id, 1)
        ON CONFLICT (endpoint_id, stream_id) DO UPDATE SET sequence = l.sequence + 1
        RETURNING l.sequence INTO next_sequence;
    END IF;
    event_targets := concat_ws(',', event_targets, '["' || wanted || '",' || coalesce(next_sequence::text, 'null') || ']');
  END LOOP;

  -- Last: the id is drawn here, after every lock.
  INSERT INTO outbox.event (shard, event_id, tenant_id, stream_id, event_type, targets, payload, payload_bytes, traceparent,
    occurred_at)
  VALUES (outbox.shard_of(publish_event.stream_id), new_id, publish_event.tenant_id, publish_event.stream_id,
    publish_event.event_type, ('[' || event_targets || ']')::json, publish_event.payload, bytes,
    publish_event.traceparent, publish_event.occurred_at);
  RETURN new_id;
END $$;
REVOKE ALL ON FUNCTION outbox.publish_event(text, text, text, json, timestamptz, uuid, text) FROM PUBLIC;
`;
