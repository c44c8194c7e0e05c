// What the outbox keeps to heal losses: how far the reconciler has come, and whose shard a republication request is.
export const healingSql = `
-- How far each shard has been compared with the delivery side: windows as those of outbox.shard, whose target is what the
-- relay has published. highest_id: no row that target shows has a greater id.
CREATE TABLE outbox.reconciliation (
  shard smallint PRIMARY KEY,
  system_identifier text,
  prev pg_snapshot NOT NULL DEFAULT '3:3:',
  floor_id bigint NOT NULL DEFAULT 0,
  target pg_snapshot,
  target_floor_id bigint,
  highest_id bigint,
  last_id bigint NOT NULL DEFAULT 0,
  stored_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
INSERT INTO outbox.reconciliation (shard) SELECT shard FROM outbox.shard;

-- The relay that holds the shard publishes the event again. Requests name the event; the shard is looked up, 0 when the
-- event is gone: somebody must say so.
ALTER TABLE outbox.republish_request ADD COLUMN shard smallint;
CREATE FUNCTION outbox.set_republish_shard() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
  NEW.shard := coalesce((SELECT e.shard FROM outbox.event e WHERE e.event_id = NEW.event_id LIMIT 1), 0);
  RETURN NEW;
END $$;
CREATE TRIGGER republish_request_shard BEFORE INSERT ON outbox.republish_request
  FOR EACH ROW WHEN (NEW.shard IS NULL) EXECUTE FUNCTION outbox.set_republish_shard();
UPDATE outbox.republish_request r
   SET shard = coalesce((SELECT e.shard FROM outbox.event e WHERE e.event_id = r.event_id LIMIT 1), 0);
ALTER TABLE outbox.republish_request ALTER COLUMN shard SET NOT NULL;
DROP INDEX outbox.republish_request_open;
CREATE INDEX republish_request_open ON outbox.republish_request (shard, id) WHERE done_at IS NULL;
CREATE INDEX republish_request_open_event ON outbox.republish_request (event_id) WHERE done_at IS NULL;
CREATE INDEX republish_request_done ON outbox.republish_request (done_at) WHERE done_at IS NOT NULL;
`;

export const healingDownSql = `
DROP TABLE outbox.reconciliation;
DROP TRIGGER republish_request_shard ON outbox.republish_request;
DROP FUNCTION outbox.set_republish_shard();
DROP INDEX outbox.republish_request_done, outbox.republish_request_open_event, outbox.republish_request_open;
ALTER TABLE outbox.republish_request DROP COLUMN shard;
CREATE INDEX republish_request_open ON outbox.republish_request (id) WHERE done_at IS NULL;
`;
