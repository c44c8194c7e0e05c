// Lanes for people: which are blocked and since when, and where any lane of an endpoint or stream stands.
import type { Queryable } from '#database';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { iso } from './delivery-arms.ts';

export const LANE_STATES = ['open', 'parked', 'halted'] as const;
export type LaneState = (typeof LANE_STATES)[number];

/** A lane as it stands. Instants are ISO 8601 UTC with microseconds. */
export interface LaneSummary {
  endpointId: string;
  streamId: string;
  tenantId: string;
  state: LaneState;
  /** The sequence that everything waits for; null while the lane is open. */
  headSequence: number | null;
  /** Null while the lane is open, and while the head's record is missing. */
  headEventId: string | null;
  /** Deliveries that wait, the head among them if it has a record; counted up to 100,000. */
  depth: number;
  /** Failed attempts of the head in this round. */
  attempts: number;
  /**
   * Of a parked lane: not before then. In the past: it is due, and in flight or waiting for a slot. Null while nobody can say:
   * its endpoint is paused, held or behind its circuit breaker.
   */
  nextAttemptAt: string | null;
  blockedSince: string | null;
  /** Seconds since then. */
  ageSeconds: number | null;
  lastErrorClass: string | null;
  reason: string | null;
  /** False while no consumer holds the lane's partition: nothing moves, and what is shown is as the last one left it. */
  hasOwner: boolean;
}

export interface LaneFilter {
  state?: LaneState;
  endpointId?: string;
  tenantId?: string;
  streamId?: string;
}

export interface LanePage {
  limit: number;
  cursor?: string;
}

/**
 * There are as many open lanes as there ever were streams: they are listed only for one endpoint or stream, in the order of
 * their key. Every other list holds the blocked lanes, those that wait longest first.
 */
export type LaneOrder = 'by_key' | 'blocked_first';

const NEVER = 'infinity';
const MOST_COUNTED = 100_000;

/** Null for a filter that would list the open lanes of everybody. */
export function laneOrder({ state, endpointId, streamId }: LaneFilter): LaneOrder | null {
  if (state === 'parked' || state === 'halted') return 'blocked_first';
  if (endpointId !== undefined || streamId !== undefined) return 'by_key';
  return state === 'open' ? null : 'blocked_first';
}

/** Null when the text is no cursor of a list in this order. */
export function parseLaneCursor(cursor: string, order: LaneOrder): string[] | null {
  const key = decodeCursor(`lanes.${order}`, cursor, 3)?.map(String);
  if (!key) return null;
  const [at, endpointId] = key as [string, string, string];
  const isInstant = at === NEVER || /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/.test(at);
  return isInstant && /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(endpointId) ? key : null;
}

/** Throws RangeError for a filter or cursor that the two functions above refuse. */
export async function listLanes(
  db: Queryable,
  filter: LaneFilter,
  page: LanePage,
): Promise<{ items: LaneSummary[]; nextCursor: string | null }> {
  const order = laneOrder(filter);
  const after = page.cursor === undefined || order === null ? undefined : parseLaneCursor(page.cursor, order);
  if (order === null || after === null) throw new RangeError('not a list of lanes');
  const { text, values } = lanesSql(filter, { limit: page.limit, order, after });
  const { rows } = await db.query<LaneSummary>(text, values);
  const items = rows.slice(0, page.limit);
  const last = items.at(-1);
  if (rows.length <= page.limit || !last) return { items, nextCursor: null };
  const key = [last.blockedSince ?? NEVER, last.endpointId, last.streamId];
  return { items, nextCursor: encodeCursor(`lanes.${order}`, key) };
}

/** One lane, or null when nothing of it was ever delivered or blocked. */
export async function findLane(db: Queryable, endpointId: string, streamId: string): Promise<LaneSummary | null> {
  const { rows } = await db.query<LaneSummary>(
    `SELECT ${laneColumns} FROM waybill.lane l WHERE l.endpoint_id = $1 AND l.stream_id = $2`,
    [endpointId, streamId],
  );
  return rows[0] ?? null;
}

/** Blocked lanes are read state by state, each in the order of an index, and merged. */
export function lanesSql(
  filter: LaneFilter,
  page: { limit: number; order: LaneOrder; after: string[] | undefined },
): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const conditions: string[] = [];
  const equal = (column: string, type: string, value: string | undefined) => {
    if (value !== undefined) conditions.push(`l.${column} = $${values.push(value)}::${type}`);
  };
  equal('endpoint_id', 'uuid', filter.endpointId);
  equal('stream_id', 'text', filter.streamId);
  equal('tenant_id', 'text', filter.tenantId);
  const limit = `LIMIT ${page.limit + 1}`;
  if (page.order === 'by_key') {
    equal('state', 'text', filter.state);
    conditions.push(keyPosition(page.after, values));
    const text = `SELECT ${laneColumns} FROM waybill.lane l WHERE ${conditions.join(' AND ')}
      ORDER BY l.endpoint_id, l.stream_id ${limit}`;
    return { text, values };
  }
  conditions.push(blockedPosition(page.after, values));
  const states = filter.state === undefined ? ['parked', 'halted'] : [filter.state];
  const arms = states.map(
    (state) => `(SELECT l.* FROM waybill.lane l
      WHERE l.state = '${state}' AND l.state <> 'open' AND ${conditions.join(' AND ')}
      ORDER BY l.blocked_since, l.endpoint_id, l.stream_id ${limit})`,
  );
  const text = `SELECT ${laneColumns} FROM (${arms.join(' UNION ALL ')}) l
    ORDER BY l.blocked_since, l.endpoint_id, l.stream_id ${limit}`;
  return { text, values };
}

function keyPosition(after: string[] | undefined, values: unknown[]): string {
  if (!after) return 'true';
  const first = values.push(after[1], after[2]) - 1;
  return `(l.endpoint_id, l.stream_id) > ($${first}::uuid, $${first + 1}::text)`;
}

function blockedPosition(after: string[] | undefined, values: unknown[]): string {
  if (!after) return 'true';
  const first = values.push(...after) - 2;
  return `l.blocked_since >= $${first}::timestamptz AND (l.blocked_since, l.endpoint_id, l.stream_id)
    > ($${first}::timestamptz, $${first + 1}::uuid, $${first + 2}::text)`;
}

const laneColumns = `l.endpoint_id AS "endpointId", l.stream_id AS "streamId", l.tenant_id AS "tenantId", l.state,
  CASE WHEN l.state <> 'open' THEN l.delivered + 1 END AS "headSequence",
  CASE WHEN l.state <> 'open' THEN (SELECT d.event_id FROM waybill.delivery d WHERE d.endpoint_id = l.endpoint_id
      AND d.stream_id = l.stream_id AND d.sequence = l.delivered + 1) END AS "headEventId",
  (SELECT count(*) FROM (SELECT FROM waybill.delivery d WHERE d.endpoint_id = l.endpoint_id
      AND d.stream_id = l.stream_id AND d.sequence > l.delivered LIMIT ${MOST_COUNTED}) waiting)::integer AS depth,
  l.attempts, CASE WHEN l.reason IS DISTINCT FROM 'endpoint_closed' THEN ${iso('l.next_attempt_at')} END AS "nextAttemptAt", ${iso('l.blocked_since')} AS "blockedSince",
  CASE WHEN l.state <> 'open' THEN extract(epoch FROM clock_timestamp() - l.blocked_since)::integer END AS "ageSeconds",
  l.last_error_class AS "lastErrorClass", l.reason,
  EXISTS (SELECT FROM waybill.partition_owner o WHERE o.partition = l.partition AND o.holder IS NOT NULL
      AND o.lease_until > clock_timestamp()) AS "hasOwner"`;
