// The tables of tenants and endpoints, as the first migration creates them.
export const schemaSql = `
CREATE SCHEMA IF NOT EXISTS waybill;

CREATE TABLE waybill.tenant (
  id text COLLATE "C" PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Where a tenant's events go, and how.
--   event_types                                   NULL: every type. The same choice stands in outbox.route, for the publisher
--   secret, previous_secret, auth_header_value    sealed by SecretBox; never readable through the API
--   revision                                      grows with every change: how caches notice
--   changed_at                                    clock_timestamp() of the change: the look-back of caches starts from it
--   deleted_at                                    softly: open deliveries still refer to the row while they are closed
CREATE TABLE waybill.endpoint (
  id uuid PRIMARY KEY,
  tenant_id text COLLATE "C" NOT NULL REFERENCES waybill.tenant (id),
  url text NOT NULL,
  format text NOT NULL CHECK (format IN ('signed-json', 'encrypted-envelope', 'standard-webhooks')),
  event_types text[] CHECK (cardinality(event_types) > 0),
  description text,
  secret text NOT NULL,
  secret_encoding text NOT NULL CHECK (secret_encoding IN ('utf8', 'hex', 'base64')),
  previous_secret text,
  previous_secret_until timestamptz,
  auth_header_name text,
  auth_header_value text,
  timeout_ms integer NOT NULL,
  max_retries integer NOT NULL,
  initial_delay_ms integer NOT NULL,
  max_delay_ms integer NOT NULL,
  success_status text NOT NULL CHECK (success_status IN ('2xx', '200')),
  on_exhausted text NOT NULL CHECK (on_exhausted IN ('block', 'skip')),
  max_concurrency integer NOT NULL,
  enabled boolean NOT NULL,
  disabled_reason text,
  revision bigint NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  deleted_at timestamptz,
  CHECK ((auth_header_name IS NULL) = (auth_header_value IS NULL)),
  CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
);
CREATE INDEX endpoint_tenant ON waybill.endpoint (tenant_id, id) WHERE deleted_at IS NULL;
CREATE INDEX endpoint_changed ON waybill.endpoint (changed_at);
`;
