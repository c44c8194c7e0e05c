// The tables of API tokens and of the audit trail, as the first migration creates them.
export const schemaSql = `
CREATE SCHEMA IF NOT EXISTS waybill;

-- API tokens. Only the SHA-256 of a token is kept: 256 random bits need no salt and no slow hash.
--   tenant_id     NULL: every tenant. No foreign key: this library knows no tenants
--   last_used_at  within a minute
CREATE TABLE waybill.token (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  token_hash bytea NOT NULL CONSTRAINT token_hash_unique UNIQUE,
  name text NOT NULL,
  role text NOT NULL CHECK (role IN ('admin', 'operator', 'support', 'viewer', 'auditor')),
  tenant_id text COLLATE "C",
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_used_at timestamptz
);

-- Who did what to which thing, and why. Rows are only ever added: the trigger refuses everything else.
CREATE TABLE waybill.audit_entry (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor text NOT NULL,
  role text NOT NULL,
  action text COLLATE "C" NOT NULL,
  target text COLLATE "C" NOT NULL,
  tenant_id text COLLATE "C",
  reason text,
  details jsonb
);
CREATE INDEX audit_entry_tenant ON waybill.audit_entry (tenant_id, id);
CREATE INDEX audit_entry_target ON waybill.audit_entry (target, id);
CREATE INDEX audit_entry_action ON waybill.audit_entry (action, id);

CREATE FUNCTION waybill.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'waybill.audit_entry is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_entry_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON waybill.audit_entry
  FOR EACH STATEMENT EXECUTE FUNCTION waybill.refuse_audit_change();
`;
