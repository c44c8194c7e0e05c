// How far the sequence of the events' ids has come.

/**
 * SQL of the last id that was drawn, 0 when there is none. By the function behind the view pg_sequences, which locks the
 * sequence's page. `SELECT last_value FROM` the sequence does not, and so may see what nextval() writes there, for some
 * microseconds, each time it logs: a value 32 ahead of the last one (SEQ_LOG_VALS in PostgreSQL's sequence.c). A floor of
 * a window as high as that hides the next 32 events for ever.
 */
export const lastDrawnIdSql = `coalesce(pg_sequence_last_value('outbox.event_id'), 0)`;
