// Counters for charts and metrics, each cheap enough to be asked for every few seconds.
import type { Queryable } from '#database';

export interface LaneCounts {
  /** Exact up to 100,000 lanes, an estimate of the planner's beyond; null for one tenant: no index counts its lanes. */
  open: number | null;
  parked: number;
  halted: number;
  /** When the lane that waits longest was blocked, wall ms; null when none is. */
  oldestBlockedAt: number | null;
}

export interface AttemptMinute {
  /** Wall ms of the minute's beginning. */
  minuteAt: number;
  success: number;
  failure: number;
  unknown: number;
}

const MOST_COUNTED = 100_000;

/** Blocked lanes by their partial index; the open ones are the rest. */
export async function countLanes(db: Queryable, filter: { tenantId?: string } = {}): Promise<LaneCounts> {
  const { rows } = await db.query<{ state: 'parked' | 'halted'; lanes: number; oldest: Date | null }>(
    `SELECT state, count(*) AS lanes, min(blocked_since) AS oldest FROM waybill.lane
      WHERE state <> 'open' AND ($1::text IS NULL OR tenant_id = $1) GROUP BY state`,
    [filter.tenantId ?? null],
  );
  const of = (state: string) => rows.find((row) => row.state === state)?.lanes ?? 0;
  const oldest = rows.flatMap((row) => (row.oldest ? [row.oldest.getTime()] : []));
  const [parked, halted] = [of('parked'), of('halted')];
  const open = filter.tenantId === undefined ? Math.max(0, (await countAllLanes(db)) - parked - halted) : null;
  return { open, parked, halted, oldestBlockedAt: oldest.length > 0 ? Math.min(...oldest) : null };
}

/** Deliveries that wait, by state: the open table holds no others. */
export async function countOpenDeliveries(
  db: Queryable,
  filter: { tenantId?: string } = {},
): Promise<Record<'pending' | 'parked' | 'exhausted', number>> {
  const { rows } = await db.query<{ state: 'pending' | 'parked' | 'exhausted'; deliveries: number }>(
    `SELECT state, count(*) AS deliveries FROM waybill.delivery
      WHERE state <> 'delivered' AND ($1::text IS NULL OR tenant_id = $1) GROUP BY state`,
    [filter.tenantId ?? null],
  );
  return { pending: 0, parked: 0, exhausted: 0, ...Object.fromEntries(rows.map((row) => [row.state, row.deliveries])) };
}

/** Terminal deliveries by state, of events enqueued since `from`. */
export async function countFinishedDeliveries(
  db: Queryable,
  filter: { from: Date; tenantId?: string },
): Promise<Record<'delivered' | 'exhausted' | 'skipped' | 'expired', number>> {
  const { rows } = await db.query<{ state: string; deliveries: number }>(
    `SELECT state, count(*) AS deliveries FROM waybill.delivery_history
      WHERE enqueued_at >= $1 AND ($2::text IS NULL OR tenant_id = $2) GROUP BY state`,
    [filter.from, filter.tenantId ?? null],
  );
  const counted = Object.fromEntries(rows.map((row) => [row.state, row.deliveries]));
  return { delivered: 0, exhausted: 0, skipped: 0, expired: 0, ...counted };
}

/** Attempts begun in each minute from `from` on; minutes without any are left out. */
export async function countAttemptsByMinute(db: Queryable, from: Date): Promise<AttemptMinute[]> {
  const { rows } = await db.query<{ minute: Date; success: number; failure: number; unknown: number }>(
    `SELECT date_trunc('minute', started_at) AS minute,
            count(*) FILTER (WHERE outcome = 'success') AS success,
            count(*) FILTER (WHERE outcome = 'failure') AS failure,
            count(*) FILTER (WHERE outcome = 'unknown') AS unknown
       FROM waybill.attempt WHERE started_at >= $1 GROUP BY 1 ORDER BY 1`,
    [from],
  );
  return rows.map(({ minute, ...counts }) => ({ minuteAt: minute.getTime(), ...counts }));
}

/** Exact while it is quick, the planner's estimate (ANALYZE keeps it) for a large table. */
async function countAllLanes(db: Queryable): Promise<number> {
  const { rows } = await db.query<{ lanes: number; estimate: number }>(
    `SELECT (SELECT count(*) FROM (SELECT FROM waybill.lane LIMIT ${MOST_COUNTED}) counted) AS lanes,
            (SELECT reltuples FROM pg_class WHERE oid = 'waybill.lane'::regclass) AS estimate`,
  );
  const { lanes, estimate } = rows[0]!;
  return lanes < MOST_COUNTED ? lanes : Math.max(lanes, estimate);
}
