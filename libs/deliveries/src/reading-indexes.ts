// The indexes that only the reading side needs, beside those of the search filters.

export const readingIndexesSql = `
-- Lists without another filter, and those by a state or status that most rows have. Grows at its right edge only.
CREATE INDEX IF NOT EXISTS delivery_by_time ON waybill.delivery (enqueued_at, event_id);
CREATE INDEX IF NOT EXISTS delivery_history_by_time ON waybill.delivery_history (enqueued_at, event_id);
-- The key of the open table begins with the endpoint: an event id alone would read all of it.
CREATE INDEX IF NOT EXISTS delivery_by_event ON waybill.delivery (event_id);
-- The blocked lanes of one endpoint: its list, and the retry of all that are halted.
CREATE INDEX IF NOT EXISTS lane_blocked_endpoint ON waybill.lane (endpoint_id, state, blocked_since) WHERE state <> 'open';
-- Attempts per minute: rows lie in the order in which they were made, near enough for block ranges.
CREATE INDEX IF NOT EXISTS attempt_by_time ON waybill.attempt USING brin (started_at) WITH (pages_per_range = 16, autosummarize = on);
`;
