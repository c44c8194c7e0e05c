// Many streams, a receiver that fails at random, and services that are killed: everything arrives, each lane in order, on record.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Random, seededRandom } from '#clock';
import { type Arrival, type Receiver, startReceiver, until } from '#testkit';
import type { ServiceProcess } from './processes.ts';
import { createWorld, type Endpoint, OrderJudge, type World } from './world.ts';

// Default sizes fit a busy machine; the whole claim: E2E_STREAMS=1000 E2E_EVENTS=20.
const { E2E_STREAMS = '200', E2E_EVENTS = '10' } = process.env;
const STREAMS = Number(E2E_STREAMS);
const EVENTS = Number(E2E_EVENTS);
const SEED = 4711;

let world: World;
let receiver: Receiver;
let relay: ServiceProcess;
let consumer: ServiceProcess;

beforeAll(async () => {
  world = await createWorld({ partitions: 6, env: { LOG_LEVEL: 'warn' } });
  receiver = await startReceiver();
  ({ relay, consumer } = await world.startAll());
}, 90_000);
afterAll(async () => {
  await world?.close();
  await receiver?.close();
});

/** Events of all streams, a round for each sequence; several publishers, each with streams of its own. */
async function publishAll(tenantId: string, prefix: string, streams: number, events: number): Promise<void> {
  const publishers = 4;
  await Promise.all(
    Array.from({ length: publishers }, async (_, publisher) => {
      for (let sequence = 1; sequence <= events; sequence++) {
        for (let stream = publisher; stream < streams; stream += publishers) {
          await world.publish(tenantId, `${prefix}-${stream}`, { stream, sequence });
        }
      }
    }),
  );
}

function failing(judge: OrderJudge, share: number, random: Random) {
  return (arrival: Parameters<OrderJudge['judge']>[0]) => ({
    status: judge.judge(arrival, () => (random() < share ? 500 : 200)),
  });
}

interface Recorded {
  state: string;
  deliveries: number;
  without_attempt: number;
}

/** How the database tells it, by state. */
async function recorded(endpoint: Endpoint): Promise<Recorded[]> {
  const { rows } = await world.pool.query<Recorded>(
    `SELECT d.state, count(*)::int AS deliveries, count(*) FILTER (WHERE NOT EXISTS (
              SELECT FROM waybill.attempt a WHERE a.event_id = d.event_id AND a.endpoint_id = d.endpoint_id
                 AND a.outcome = 'success' AND a.status_code = 200))::int AS without_attempt
       FROM (SELECT state, event_id, endpoint_id FROM waybill.delivery UNION ALL
             SELECT state, event_id, endpoint_id FROM waybill.delivery_history) d
      WHERE d.endpoint_id = $1 GROUP BY d.state`,
    [endpoint.id],
  );
  return rows;
}

async function attemptsOf(endpoint: Endpoint): Promise<number> {
  const { rows } = await world.pool.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM waybill.attempt WHERE endpoint_id = $1',
    [endpoint.id],
  );
  return rows[0]!.n;
}

const recordedWithin = async (endpoint: Endpoint, count: number, withinMs: number) => {
  await until(async () => (await recorded(endpoint)).find((row) => row.state === 'delivered')?.deliveries === count, {
    withinMs,
    what: `${count} delivered on record`,
    everyMs: 250,
  }).catch(async (error: unknown) => {
    throw new Error(
      `${String(error)}\n${JSON.stringify(await recorded(endpoint))}\n${relay.tail()}\n${consumer.tail()}`,
    );
  });
};

describe('20 % of all requests fail, consumer and relay are killed', () => {
  it(`${STREAMS} streams × ${EVENTS} events all arrive, in order, and are on record (seed ${SEED})`, async () => {
    const judge = new OrderJudge();
    receiver.behave(failing(judge, 0.2, seededRandom(SEED)));
    const endpoint = await world.createEndpoint({
      url: `${receiver.url}/hook`,
      initialDelayMs: 20,
      maxDelayMs: 1_000,
      maxRetries: 50,
      maxConcurrency: 256,
    });
    const total = STREAMS * EVENTS;
    const startedAt = performance.now();
    const publishing = publishAll(endpoint.tenantId, 'x', STREAMS, EVENTS);

    await until(() => judge.delivered > total * 0.15, { withinMs: 60_000, what: 'the first part', everyMs: 5 });
    await relay.kill();
    relay = await world.start('outbox-relay');
    await until(() => judge.delivered > total * 0.35, { withinMs: 60_000, what: 'the second part', everyMs: 5 });
    const epochOf = ({ headers }: Arrival) => Number(headers['x-webhook-epoch']);
    const deadEpoch = Math.max(...receiver.arrivals.map(epochOf));
    await consumer.kill();
    const killedAt = performance.now();
    consumer = await world.start('delivery-consumer');
    // What the dead one had sent arrives for a while: a request of the new one has a higher epoch.
    const hasRecovered = () => receiver.arrivals.some((arrival) => epochOf(arrival) > deadEpoch);
    await until(hasRecovered, { withinMs: 40_000, what: 'the new consumer', everyMs: 20 });
    const recoveryMs = Math.round(performance.now() - killedAt);

    await publishing;
    await until(() => judge.delivered === total, { withinMs: 120_000, what: `${total} events delivered` });
    const seconds = (performance.now() - startedAt) / 1_000;
    await recordedWithin(endpoint, total, 20_000);

    const figures = {
      total,
      seconds: Math.round(seconds),
      requests: judge.requests,
      duplicates: judge.duplicates,
      recoveryMs,
    };
    console.log(`[exactness] ${JSON.stringify(figures)}`);
    expect(judge.violations).toEqual([]);
    expect(judge.lanes.size).toBe(STREAMS);
    expect(await recorded(endpoint)).toEqual([{ state: 'delivered', deliveries: total, without_attempt: 0 }]);
    // At most what was in flight, or finished within the last flushes, when the consumer died.
    expect(judge.duplicates).toBeLessThan(1_000);
    expect(recoveryMs).toBeLessThan(15_000);
    const { rows } = await world.pool.query(
      `SELECT state, min(delivered)::int AS least, max(delivered)::int AS most, count(*)::int AS lanes
         FROM waybill.lane WHERE endpoint_id = $1 GROUP BY state`,
      [endpoint.id],
    );
    expect(rows).toEqual([{ state: 'open', least: EVENTS, most: EVENTS, lanes: STREAMS }]);
    expect((await consumer.metrics()).get('waybill_order_violations_total')).toBe(0);
  }, 240_000);

  it('tells of the repeats: an attempt that may repeat an unrecorded one says so', async () => {
    const { rows } = await world.pool.query<{ epochs: number; marked: number }>(
      `SELECT count(DISTINCT epoch)::int AS epochs, count(*) FILTER (WHERE earlier_attempts_possible)::int AS marked
         FROM waybill.attempt`,
    );
    expect(rows[0]!.epochs).toBeGreaterThan(1);
    expect(rows[0]!.marked).toBeGreaterThan(0);
  });
});

describe('SIGTERM under load', () => {
  it('ends both with code 0, and nothing is sent twice after the restart', async () => {
    const judge = new OrderJudge();
    receiver.behave((arrival) => ({ status: judge.judge(arrival, () => 200), delayMs: 20 }));
    const endpoint = await world.createEndpoint({ url: `${receiver.url}/calm`, maxConcurrency: 64 });
    const [streams, events] = [100, 15];
    const total = streams * events;
    const publishing = publishAll(endpoint.tenantId, 'calm', streams, events);
    await until(() => judge.delivered > total * 0.3, { withinMs: 30_000, what: 'a part of it', everyMs: 5 });
    expect(await consumer.stop(), consumer.tail()).toBe(0);
    const seen = judge.requests;
    expect(await relay.stop(), relay.tail()).toBe(0);
    expect(judge.requests).toBe(seen);
    [relay, consumer] = [await world.start('outbox-relay'), await world.start('delivery-consumer')];
    await publishing;
    await until(() => judge.delivered === total, { withinMs: 60_000, what: `${total} delivered` }).catch(
      (error: unknown) => {
        throw new Error(`${String(error)} of which ${judge.delivered}\n${relay.tail()}\n${consumer.tail()}`);
      },
    );
    await recordedWithin(endpoint, total, 10_000);
    expect(judge.violations).toEqual([]);
    expect({ requests: judge.requests, duplicates: judge.duplicates }).toEqual({ requests: total, duplicates: 0 });
    expect(await attemptsOf(endpoint)).toBe(total);
    expect(await recorded(endpoint)).toEqual([{ state: 'delivered', deliveries: total, without_attempt: 0 }]);
  }, 120_000);
});

describe('an endpoint that fails often while more comes', () => {
  it('has every request on record, with the number that it carried', async () => {
    const judge = new OrderJudge();
    const random = seededRandom(SEED);
    const carried = new Map<string, number[]>();
    receiver.behave((arrival) => {
      const id = String(arrival.headers['x-webhook-event-id']);
      carried.set(id, [...(carried.get(id) ?? []), Number(arrival.headers['x-webhook-attempt'])]);
      return { status: judge.judge(arrival, () => (random() < 0.5 ? 500 : 200)), delayMs: 30 };
    });
    const settings = { url: `${receiver.url}/often`, initialDelayMs: 10, maxDelayMs: 20, maxRetries: 50 };
    const endpoint = await world.createEndpoint({ ...settings, maxConcurrency: 128 });
    const [streams, events] = [40, 10];
    await publishAll(endpoint.tenantId, 'often', streams, events);
    await until(() => judge.delivered === streams * events, { withinMs: 60_000, what: 'all delivered' });
    await recordedWithin(endpoint, streams * events, 10_000);
    expect(judge.violations).toEqual([]);
    for (const [id, numbers] of carried) expect(numbers, id).toEqual(numbers.map((_, index) => index + 1));
    expect(await attemptsOf(endpoint)).toBe(judge.requests);
    expect(await recorded(endpoint)).toEqual([
      { state: 'delivered', deliveries: streams * events, without_attempt: 0 },
    ]);
  }, 90_000);
});

describe('two consumers', () => {
  it('share the partitions; when one leaves, the other takes its part, and nothing is lost, doubled or out of order', async () => {
    const judge = new OrderJudge();
    receiver.behave((arrival) => ({ status: judge.judge(arrival, () => 200), delayMs: 5 }));
    const endpoint = await world.createEndpoint({ url: `${receiver.url}/shared`, maxConcurrency: 16 });
    const second = await world.start('delivery-consumer');
    const owned = async () =>
      (await Promise.all([consumer, second].map((one) => one.metrics()))).map((m) => m.get('waybill_partitions_owned'));
    await until(async () => (await owned()).every((count) => count === 3), {
      withinMs: 30_000,
      what: 'three partitions each',
    });
    const total = 100 * 20;
    const publishing = publishAll(endpoint.tenantId, 'shared', 100, 20);
    await until(() => judge.delivered > total * 0.3, { withinMs: 30_000, what: 'a part of it', everyMs: 5 });
    expect(await second.stop(), second.tail()).toBe(0);
    await publishing;
    await until(() => judge.delivered === total, { withinMs: 60_000, what: `${total} delivered` }).catch(
      (error: unknown) => {
        throw new Error(`${String(error)} of which ${judge.delivered}\n${consumer.tail()}\n${second.tail()}`);
      },
    );
    expect((await consumer.metrics()).get('waybill_partitions_owned')).toBe(6);
    expect(judge.violations).toEqual([]);
    expect(judge.duplicates).toBe(0);
    await recordedWithin(endpoint, total, 10_000);
  }, 120_000);
});
