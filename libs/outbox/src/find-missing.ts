// Finds the events that a lane misses: the outbox has no index by stream, so ranges of ids are read, newest first, for many streams at once.
import { prepared, type Queryable } from '#database';
import { lastDrawnIdSql } from './last-drawn-id.ts';

/** The shards that `holder` holds. */
export async function findHeldShards(db: Queryable, holder: string): Promise<number[]> {
  const { rows } = await prepared<{ shard: number }>(
    db,
    'outbox_find_held_shards',
    'SELECT shard FROM outbox.shard WHERE holder = $1 AND lease_until > clock_timestamp() ORDER BY shard',
    [holder],
  );
  return rows.map((row) => row.shard);
}

/** The shard of each stream, in the order of `streamIds`. */
export async function shardsOf(db: Queryable, streamIds: readonly string[]): Promise<number[]> {
  const { rows } = await prepared<{ shard: number }>(
    db,
    'outbox_shards_of',
    'SELECT outbox.shard_of(k.stream_id) AS shard FROM unnest($1::text[]) WITH ORDINALITY AS k(stream_id, n) ORDER BY k.n',
    [streamIds],
  );
  return rows.map((row) => row.shard);
}

/** The first and the last row of each event that is in the outbox: an id that was given twice, by two tenants, has two. */
export async function findEventIds(
  db: Queryable,
  eventIds: readonly string[],
): Promise<Map<string, { firstId: number; lastId: number }>> {
  const { rows } = await prepared<{ event_id: string; first_id: number; last_id: number }>(
    db,
    'outbox_find_event_ids',
    `SELECT e.event_id, min(e.id) AS first_id, max(e.id) AS last_id FROM unnest($1::uuid[]) AS k(event_id)
       JOIN outbox.event e ON e.event_id = k.event_id GROUP BY e.event_id`,
    [eventIds],
  );
  return new Map(rows.map((row) => [row.event_id, { firstId: row.first_id, lastId: row.last_id }]));
}

/** The lowest id that a shard still has, and the last id that was drawn. Both 0 when there is none. */
export async function findIdRange(db: Queryable, shard: number): Promise<{ lowestId: number; lastDrawnId: number }> {
  const { rows } = await prepared<{ lowest_id: number | null; last_drawn_id: number }>(
    db,
    'outbox_find_id_range',
    `SELECT (SELECT e.id FROM outbox.event e WHERE e.shard = $1 ORDER BY e.id LIMIT 1) AS lowest_id,
            ${lastDrawnIdSql} AS last_drawn_id`,
    [shard],
  );
  return { lowestId: rows[0]!.lowest_id ?? 0, lastDrawnId: rows[0]!.last_drawn_id };
}

/** A row for each lane that an event is addressed to. */
export interface FoundEvent {
  eventId: string;
  streamId: string;
  endpointId: string;
  sequence: number;
}

/** The ordered events of `streamIds` with ids above `aboveId` up to `upToId`, newest first. The caller bounds the range. */
export async function findStreamEvents(
  db: Queryable,
  range: { shard: number; aboveId: number; upToId: number; streamIds: readonly string[] },
): Promise<FoundEvent[]> {
  const { rows } = await prepared<FoundEvent>(
    db,
    'outbox_find_stream_events',
    `SELECT e.event_id AS "eventId", e.stream_id AS "streamId", t.value->>0 AS "endpointId", (t.value->>1)::bigint AS sequence
       FROM outbox.event e CROSS JOIN LATERAL json_array_elements(e.targets) t
      WHERE e.shard = $1 AND e.id > $2 AND e.id <= $3 AND e.stream_id = ANY ($4::text[]) AND t.value->>1 IS NOT NULL
      ORDER BY e.id DESC`,
    [range.shard, range.aboveId, range.upToId, range.streamIds],
  );
  return rows;
}
