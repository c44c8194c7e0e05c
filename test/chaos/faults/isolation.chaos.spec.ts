// Bad endpoints and bad lanes (F26), against a built consumer: nobody else waits for them, and their way back is no flood.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Arrival, startReceiver, until } from '#testkit';
import type { ServiceProcess } from '../../e2e/processes.ts';
import { createWorld, type Endpoint, OrderJudge, type World } from '../../e2e/world.ts';

const QUICK = { initialDelayMs: 10, maxDelayMs: 200, maxRetries: 50 };

let world: World;
let consumer: ServiceProcess;

beforeAll(async () => {
  world = await createWorld({ partitions: 3, env: { LOG_LEVEL: 'warn' } });
  ({ consumer } = await world.startAll());
}, 90_000);
afterAll(() => world?.close());

const streamOf = (arrival: Arrival) => String(arrival.headers['x-webhook-stream-id']);

/** One event on each of `streams` streams, `rounds` times, each round in one transaction. */
async function publishRounds(tenantId: string, streams: number, rounds: number): Promise<void> {
  for (let round = 1; round <= rounds; round++) {
    await world.pool.query(
      `SELECT outbox.publish_event($1, 's-' || lpad(n::text, 5, '0'), 'TEST_EVENT', '{}') FROM generate_series(1, $2) n`,
      [tenantId, streams],
    );
  }
}

const countOf = async (endpoints: readonly Endpoint[], states: readonly string[]): Promise<number> => {
  const { rows } = await world.pool.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM (SELECT endpoint_id, state FROM waybill.delivery UNION ALL
            SELECT endpoint_id, state FROM waybill.delivery_history) d WHERE endpoint_id = ANY ($1) AND state = ANY ($2)`,
    [endpoints.map(({ id }) => id), states],
  );
  return rows[0]!.n;
};

const orderKept = async (judge: OrderJudge, figures: { requests?: number } = {}) => {
  expect(judge).toMatchObject({ violations: [], duplicates: 0, ...figures });
  expect((await consumer.metrics()).get('waybill_order_violations_total')).toBe(0);
};

describe('an endpoint that hangs, one that flaps and a lane that always fails', () => {
  it('delay nobody else: all others have everything before one hanging request has ended', async () => {
    const judge = new OrderJudge();
    const [streams, rounds, tenants] = [20, 3, 4];
    let isMended = false;
    let held = 0;
    let flaps = 0;
    const receiver = await startReceiver({
      behaviour: (arrival) => {
        if (arrival.path === '/hangs' && !isMended) {
          held++;
          return { hang: true };
        }
        const isBadLane = arrival.path === '/bad-lane' && streamOf(arrival) === 's-00001';
        // Ten answers of one kind, then ten of the other: a breaker opens and closes all the time.
        const isDown = arrival.path === '/flaps' && Math.floor(flaps++ / 10) % 2 === 0;
        return { status: judge.judge(arrival, () => (!isMended && (isBadLane || isDown) ? 500 : 200)) };
      },
    });
    const paths = ['/hangs', '/flaps', '/bad-lane', ...Array.from({ length: 13 }, (_, n) => `/healthy-${n}`)];
    const endpoints = new Map<string, Endpoint>();
    for (const [index, path] of paths.entries()) {
      // Four endpoints of each tenant. A minute: long after everybody else is done.
      const settings = { url: receiver.url + path, timeoutMs: 60_000, maxConcurrency: 4, ...QUICK };
      endpoints.set(path, await world.createEndpoint(settings, `shared-${index % tenants}`));
    }
    for (let tenant = 0; tenant < tenants; tenant++) await publishRounds(`shared-${tenant}`, streams, rounds);
    const others = paths.filter((path) => path !== '/hangs').map((path) => endpoints.get(path)!);
    const all = streams * rounds;
    const failing = rounds; // Those of the one bad lane.
    await until(async () => (await countOf(others, ['delivered'])) === others.length * all - failing, {
      withinMs: 50_000,
      what: 'all but the hanging endpoint and the failing lane to be delivered',
      everyMs: 100,
    });
    // Causes, not times: what hangs was sent, takes no more than its slots, and not one of those requests has ended yet.
    expect(held).toBeGreaterThan(0);
    expect(held).toBeLessThanOrEqual(4);
    const { rows } = await world.pool.query('SELECT FROM waybill.attempt WHERE endpoint_id = $1', [
      endpoints.get('/hangs')!.id,
    ]);
    expect(rows).toEqual([]);
    const bad = (await world.lanes(endpoints.get('/bad-lane')!.id)).find(({ state }) => state !== 'open');
    expect(bad).toMatchObject({ streamId: 's-00001', headSequence: 1, depth: rounds });
    await orderKept(judge);
    isMended = true;
    await world.call('POST', `/v1/lanes/${endpoints.get('/bad-lane')!.id}/s-00001/retry`, {
      sequence: 1,
      reason: 'mended',
    });
    await until(async () => (await countOf([endpoints.get('/bad-lane')!], ['delivered'])) === all, {
      withinMs: 20_000,
      what: 'the failing lane to be delivered',
    });
    await orderKept(judge);
    // Ends the hanging requests; what became of them nobody knows, so they come again.
    await receiver.close();
    await world.call('DELETE', `/v1/endpoints/${endpoints.get('/hangs')!.id}`);
  }, 120_000);
});

describe('an endpoint that comes back', () => {
  it('gets what waited within its limit, each lane in order, while others go on', async () => {
    const [streams, rounds, maxConcurrency] = [150, 10, 8];
    const total = streams * rounds;
    const judge = new OrderJudge();
    let isDown = true;
    let [inFlight, most] = [0, 0];
    const receiver = await startReceiver({
      behaviour: (arrival) => {
        if (isDown) return { reset: true };
        inFlight++;
        most = Math.max(most, inFlight);
        // The answer goes out after `delayMs`; from its handing over on the sender may use the slot again.
        const status = judge.judge(arrival, () => 200);
        return new Promise((answer) =>
          setTimeout(() => {
            inFlight--;
            answer({ status });
          }, 10),
        );
      },
    });
    const healthy = await startReceiver();
    const endpoint = await world.createEndpoint({ url: `${receiver.url}/back`, maxConcurrency, ...QUICK });
    const other = await world.createEndpoint({ url: healthy.url });
    await publishRounds(endpoint.tenantId, streams, rounds);
    await until(async () => (await countOf([endpoint], ['parked', 'pending'])) === total, {
      withinMs: 60_000,
      what: `${total} deliveries to be parked`,
      everyMs: 100,
    });
    // Its breaker is open: what was tried are the lanes that opened it, and probes.
    expect(receiver.arrivals.length).toBeLessThan(streams * 2);
    const triedWhileDown = receiver.arrivals.length;
    isDown = false;
    await until(() => judge.delivered > total * 0.1, { withinMs: 60_000, what: 'the drain to begin', everyMs: 10 });
    await world.publishMany(other.tenantId, 'meanwhile', 5);
    await healthy.received(5, { withinMs: 30_000 });
    const drainedMeanwhile = judge.delivered;
    await until(async () => (await countOf([endpoint], ['delivered'])) === total, {
      withinMs: 90_000,
      what: 'everything that waited to be delivered',
      everyMs: 100,
    });
    console.log(`[isolation] ${JSON.stringify({ total, triedWhileDown, drainedMeanwhile, most })}`);
    expect(drainedMeanwhile).toBeLessThan(total);
    expect(most).toBeLessThanOrEqual(maxConcurrency);
    expect(judge.lanes.size).toBe(streams);
    await orderKept(judge, { requests: total });
    expect((await world.lanes(endpoint.id)).filter(({ state }) => state === 'halted')).toEqual([]);
    await Promise.all([receiver.close(), healthy.close()]);
  }, 180_000);
});
