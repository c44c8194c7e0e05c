// The writer, a process of its own: commits events through outbox.publish_event, and notes when each commit returned.
import { setTimeout as delay } from 'node:timers/promises';
import { createPool, type Pool, prepared, rowSet, text, withTransaction } from '#database';
import { monotonicMs, payloadOf, streamIdOf, streamOf, tenantIdOf, typeOf } from './load.ts';
import { serveRole } from './processes.ts';

export interface WritePlan {
  databaseUrl: string;
  run: number;
  events: number;
  streams: number;
  tenants: number;
  payloadBytes: number;
  /** Calls in one transaction. */
  batch: number;
  connections: number;
  /** Events per second, or null for as fast as it goes. */
  rate: number | null;
}

export interface Written {
  firstPublishAt: number;
  lastCommitAt: number;
  /** By event: monotonic ms right after COMMIT returned. */
  committedAt: Float64Array;
}

interface Call {
  tenantId: string;
  streamId: string;
  type: string;
  payload: string;
}

const calls = rowSet<Call>({
  tenant: text(({ tenantId }) => tenantId),
  stream: text(({ streamId }) => streamId),
  type: text((call) => call.type),
  payload: text((call) => call.payload),
});

// One statement for a transaction's calls; publish_event returns NULL when nobody wants the event, which would be our fault.
const PUBLISH = `SELECT count(outbox.publish_event(tenant, stream, type, payload::json)) AS published
  FROM ${calls.unnest} AS e(${calls.names})`;

async function write(plan: WritePlan): Promise<Written> {
  const pool = createPool({ url: plan.databaseUrl, max: plan.connections, applicationName: 'bench-writer' });
  const committedAt = new Float64Array(plan.events);
  try {
    const lines = Array.from({ length: plan.connections }, (_, line) => line);
    await Promise.all(lines.map(() => pool.query('SELECT 1')));
    const firstPublishAt = monotonicMs();
    await Promise.all(lines.map((line) => writeLine(pool, plan, line, { firstPublishAt, committedAt })));
    return { firstPublishAt, lastCommitAt: monotonicMs(), committedAt };
  } finally {
    await pool.end();
  }
}

/** Each line has streams of its own: no two transactions meet on a stream, and its events keep their order. */
async function writeLine(
  pool: Pool,
  plan: WritePlan,
  line: number,
  { firstPublishAt, committedAt }: Pick<Written, 'firstPublishAt' | 'committedAt'>,
): Promise<void> {
  let transactions = 0;
  for (const batch of batchesOf(plan, line)) {
    if (plan.rate !== null) {
      // An open loop: the schedule does not wait for slow commits.
      const dueAt = firstPublishAt + ((transactions * plan.connections + line) * plan.batch * 1_000) / plan.rate;
      const waitMs = dueAt - monotonicMs();
      if (waitMs > 0) await delay(waitMs);
    }
    await withTransaction(pool, async (client) => {
      const { rows } = await prepared<{ published: number }>(
        client,
        'bench-publish',
        PUBLISH,
        calls.values(callsOf(plan, batch)),
      );
      if (rows[0]!.published !== batch.length) throw new Error('an endpoint is missing: an event was not enqueued');
    });
    const at = monotonicMs();
    for (const event of batch) committedAt[event] = at;
    transactions++;
  }
}

function* batchesOf({ events, streams, connections, batch }: WritePlan, line: number): Generator<number[]> {
  let next: number[] = [];
  for (let event = 0; event < events; event++) {
    if (streamOf(event, streams) % connections !== line) continue;
    next.push(event);
    if (next.length < batch) continue;
    yield next;
    next = [];
  }
  if (next.length > 0) yield next;
}

function callsOf({ run, streams, tenants, payloadBytes }: WritePlan, batch: readonly number[]): Call[] {
  return batch.map((event) => ({
    tenantId: tenantIdOf(run, streamOf(event, streams) % tenants),
    streamId: streamIdOf(streamOf(event, streams)),
    type: typeOf(event, streams),
    payload: payloadOf(event, streams, payloadBytes),
  }));
}

const api = { write };
export type Writer = typeof api;
serveRole(api);
