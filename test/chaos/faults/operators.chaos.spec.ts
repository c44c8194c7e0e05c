// What people do (F28) and what nobody can deliver (F13), under faults and live traffic: done once, on record, and in order.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureTopics } from '#kafka';
import { type Arrival, type Receiver, startReceiver, until } from '#testkit';
import type { ServiceProcess } from '../../e2e/processes.ts';
import { type ApiAnswer, createWorld, type Endpoint, OrderJudge, type World } from '../../e2e/world.ts';

/** Small, so that a record is too large for Kafka long before the outbox finds it so. */
const LARGEST_RECORD = 20_000;
const QUICK = { initialDelayMs: 10, maxDelayMs: 50 };

let world: World;
let relay: ServiceProcess;
let consumer: ServiceProcess;
let receiver: Receiver;
let judge: OrderJudge;
/** Events of these streams fail. */
const failing = new Set<string>();

beforeAll(async () => {
  // Without breakers: they would keep lanes from using up their attempts.
  world = await createWorld({ partitions: 2, env: { WAYBILL_CIRCUIT_BREAKER: 'false' } });
  const admin = world.kafka.admin();
  const events = `${world.prefix}.events`;
  await admin.deleteTopics([events]);
  const config = { 'max.message.bytes': String(LARGEST_RECORD) };
  // A topic is gone a moment after its deletion was answered.
  await until(() => ensureTopics(admin, { topics: [{ name: events, partitions: 2, replicationFactor: 1, config }] }), {
    withinMs: 30_000,
    what: 'the topic to be made anew',
  });
  await admin.disconnect();
  ({ relay, consumer } = await world.startAll());
  judge = new OrderJudge();
  receiver = await startReceiver({
    behaviour: (arrival) => ({ status: judge.judge(arrival, () => (failing.has(streamOf(arrival)) ? 500 : 200)) }),
  });
}, 90_000);
afterAll(async () => {
  await world?.close();
  await receiver?.close();
});

const streamOf = (arrival: Arrival) => String(arrival.headers['x-webhook-stream-id']);
const sequencesOf = (stream: string) =>
  receiver.arrivals
    .filter((arrival) => streamOf(arrival) === stream)
    .map((arrival) => Number(arrival.headers['x-webhook-sequence']));

async function createEndpoint(path: string, settings: Record<string, unknown> = {}): Promise<Endpoint> {
  return world.createEndpoint({ url: `${receiver.url}/${path}`, maxRetries: 2, ...QUICK, ...settings });
}

const halted = (endpoint: Endpoint, streams: readonly string[]) =>
  until(
    async () => {
      const lanes = (await world.lanes(endpoint.id)).filter(({ state }) => state === 'halted');
      return streams.every((stream) => lanes.some(({ streamId }) => streamId === stream)) && lanes;
    },
    { withinMs: 30_000, what: `${streams.join(', ')} to be halted`, everyMs: 50 },
  );

const command = (endpoint: Endpoint, stream: string, kind: 'retry' | 'skip', sequence: number, reason = 'twice') =>
  world.call('POST', `/v1/lanes/${endpoint.id}/${stream}/${kind}`, { sequence, reason });
const twice = <T>(send: () => Promise<T>): Promise<[T, T]> => Promise.all([send(), send()]);
const accepted = (answers: readonly ApiAnswer[]) => answers.filter(({ status }) => status === 202).length;

/** How the commands of an endpoint ended: `applied`, `void`, or null for those that are open. */
const resultsOf = async ({ id }: Endpoint): Promise<(string | null)[]> => {
  const { rows } = await world.pool.query<{ result: string | null }>(
    'SELECT result FROM waybill.operator_command WHERE endpoint_id = $1 ORDER BY requested_at',
    [id],
  );
  return rows.map(({ result }) => result);
};
const closed = (endpoint: Endpoint) =>
  until(async () => !(await resultsOf(endpoint)).includes(null), {
    withinMs: 30_000,
    what: 'all commands to be closed',
  });

const auditOf = async (target: string): Promise<{ action: string; reason: string }[]> =>
  (await world.call('GET', `/v1/audit?target=${encodeURIComponent(target)}&limit=100`)).body.items;

/** Events on streams of their own, until it is told to stop: the traffic meanwhile. */
function traffic(endpoint: Endpoint, streams: readonly string[]): { stop: () => Promise<Record<string, string>> } {
  const stopping = new AbortController();
  const published: Record<string, number> = {};
  const running = (async () => {
    while (!stopping.signal.aborted) {
      for (const stream of streams) {
        await world.publish(endpoint.tenantId, stream, { n: 1 });
        published[stream] = (published[stream] ?? 0) + 1;
      }
    }
  })();
  const stop = async () => {
    stopping.abort();
    await running;
    return Object.fromEntries(Object.entries(published).map(([stream, count]) => [`${stream} ${count}`, 'delivered']));
  };
  return { stop };
}

const orderKept = async () => {
  expect(judge.violations).toEqual([]);
  expect((await consumer.metrics()).get('waybill_order_violations_total')).toBe(0);
};

describe('a command that is sent twice at once', () => {
  it('(a skip) skips the head and nothing behind it, and every accepted one is in the audit', async () => {
    const streams = Array.from({ length: 10 }, (_, n) => `skip-${n}`);
    for (const stream of streams) failing.add(stream);
    const endpoint = await createEndpoint('skips', { maxRetries: 0 });
    for (const stream of streams) await world.publishMany(endpoint.tenantId, stream, 3);
    await halted(endpoint, streams);
    failing.clear();
    const live = traffic(endpoint, ['live-1', ...streams]);
    const answers = await Promise.all(streams.map((stream) => twice(() => command(endpoint, stream, 'skip', 1))));
    for (const pair of answers) {
      expect(accepted(pair)).toBeGreaterThanOrEqual(1);
      expect(pair.every(({ status }) => status === 202 || status === 409)).toBe(true);
    }
    const rest = await live.stop();
    const skipped = Object.fromEntries(
      streams.flatMap((s) => [
        [`${s} 1`, 'skipped'],
        [`${s} 2`, 'delivered'],
      ]),
    );
    await world.settled(endpoint.id, { ...skipped, 'live-1 1': 'delivered' }, 60_000);
    await closed(endpoint);
    const states = (await world.deliveries(endpoint.id)).filter(({ state }) => state === 'skipped');
    expect(states.map(({ sequence }) => Number(sequence))).toEqual(streams.map(() => 1));
    expect((await resultsOf(endpoint)).filter((result) => result === 'applied')).toHaveLength(streams.length);
    for (const [index, stream] of streams.entries()) {
      const entries = await auditOf(`lane:${endpoint.id}/${stream}`);
      expect(entries).toHaveLength(accepted(answers[index]!));
      expect(entries[0]).toMatchObject({ action: 'lane.skip', reason: 'twice' });
      const published =
        3 +
        Number(
          Object.keys(rest)
            .find((key) => key.startsWith(`${stream} `))!
            .split(' ')[1],
        );
      await world.settled(endpoint.id, { [`${stream} ${published}`]: 'delivered' }, 60_000);
      expect(sequencesOf(stream)).toEqual(Array.from({ length: published }, (_, n) => n + 1));
    }
    // The judge takes a skipped sequence for one that has not succeeded: that is what a skip is.
    judge.violations.splice(0, Infinity, ...judge.violations.filter((line) => !line.startsWith('/skips skip-')));
    await orderKept();
  }, 120_000);

  it('(a retry) makes one round of attempts, not two', async () => {
    const streams = ['retry-a', 'retry-b', 'retry-c', 'retry-d'];
    for (const stream of streams) failing.add(stream);
    const endpoint = await createEndpoint('retries');
    for (const stream of streams) await world.publishMany(endpoint.tenantId, stream, 2);
    await halted(endpoint, streams);
    for (const stream of streams) expect(sequencesOf(stream)).toEqual([1, 1, 1]);
    // Nobody is there to close the first one before the second comes.
    expect(await consumer.stop()).toBe(0);
    const answers = await Promise.all(streams.map((stream) => twice(() => command(endpoint, stream, 'retry', 1))));
    for (const [first, second] of answers) {
      expect([first.status, second.status]).toEqual([202, 202]);
      expect(second.body.id).toBe(first.body.id);
    }
    consumer = await world.start('delivery-consumer');
    await consumer.ready();
    await closed(endpoint);
    await until(() => streams.every((stream) => sequencesOf(stream).length >= 6), {
      withinMs: 30_000,
      what: 'a second round on each lane',
    });
    await halted(endpoint, streams);
    for (const stream of streams) expect(sequencesOf(stream), stream).toEqual([1, 1, 1, 1, 1, 1]);
    expect(await resultsOf(endpoint)).toEqual(streams.map(() => 'applied'));
    // With the owner there, either the second is the first, or it finds the head gone.
    failing.clear();
    await Promise.all(streams.map((stream) => twice(() => command(endpoint, stream, 'retry', 1))));
    await world.settled(endpoint.id, Object.fromEntries(streams.map((stream) => [`${stream} 2`, 'delivered'])), 30_000);
    for (const stream of streams) expect(sequencesOf(stream).slice(6)).toEqual([1, 2]);
    await orderKept();
  }, 120_000);

  it('(retry-halted) wakes each lane of the endpoint once', async () => {
    const streams = Array.from({ length: 20 }, (_, n) => `all-${n}`);
    for (const stream of streams) failing.add(stream);
    const endpoint = await createEndpoint('all', { maxRetries: 0 });
    for (const stream of streams) await world.publishMany(endpoint.tenantId, stream, 2);
    await halted(endpoint, streams);
    failing.clear();
    const answers = await twice(() =>
      world.call('POST', `/v1/endpoints/${endpoint.id}/retry-halted`, { reason: 'mended' }),
    );
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    await world.settled(endpoint.id, Object.fromEntries(streams.map((stream) => [`${stream} 2`, 'delivered'])), 30_000);
    for (const stream of streams) expect(sequencesOf(stream), stream).toEqual([1, 1, 2]);
    const entries = await auditOf(`endpoint:${endpoint.id}`);
    expect(entries.filter(({ action }) => action === 'endpoint.retry_halted')).toHaveLength(2);
    await orderKept();
  }, 60_000);
});

describe('commands while a consumer is killed', () => {
  it('are applied once by the next one, in order with the traffic, whether it had begun with them or not', async () => {
    const streams = Array.from({ length: 12 }, (_, n) => `kill-${n}`);
    for (const stream of streams) failing.add(stream);
    const endpoint = await createEndpoint('kill', { maxRetries: 0 });
    for (const stream of streams) await world.publishMany(endpoint.tenantId, stream, 3);
    await halted(endpoint, streams);
    failing.clear();
    const live = traffic(endpoint, ['live-kill-1', 'live-kill-2', 'live-kill-3']);
    const [early, late] = [streams.slice(0, 6), streams.slice(6)];
    const send = (stream: string) => twice(() => command(endpoint, stream, 'retry', 1, 'killed'));
    // Some as it dies, the others while nobody is there.
    const begun = Promise.all(early.map(send));
    await consumer.kill();
    const answers = [...(await begun), ...(await Promise.all(late.map(send)))];
    consumer = await world.start('delivery-consumer');
    await consumer.ready();
    const all = Object.fromEntries(streams.flatMap((s) => [1, 2, 3].map((n) => [`${s} ${n}`, 'delivered'])));
    await world.settled(endpoint.id, all, 60_000);
    await world.settled(endpoint.id, await live.stop(), 60_000);
    await closed(endpoint);
    for (const [index, stream] of streams.entries()) {
      // Killed between a success and its record, an event may come once more; never out of turn.
      const arrivals = sequencesOf(stream);
      expect(arrivals.slice(0, 1)).toEqual([1]);
      expect(new Set(arrivals)).toEqual(new Set([1, 2, 3]));
      const entries = await auditOf(`lane:${endpoint.id}/${stream}`);
      expect(entries).toHaveLength(accepted(answers[index]!));
    }
    await orderKept();
  }, 120_000);
});

describe('a record that is too large for Kafka', () => {
  it('halts its lane with a reason and nothing else, and an operator’s skip lets the lane go on', async () => {
    const endpoint = await createEndpoint('large');
    const large = 'x'.repeat(3 * LARGEST_RECORD);
    await world.publish(endpoint.tenantId, 'large', { n: 1 });
    const id = await world.publish(endpoint.tenantId, 'large', { n: 2, large });
    await world.publish(endpoint.tenantId, 'large', { n: 3 });
    // Streams of every shard and partition, the large one's own among them.
    const others = Array.from({ length: 16 }, (_, n) => `beside-${n}`);
    for (const stream of others) await world.publish(endpoint.tenantId, stream, { n: 1 });
    await world.settled(endpoint.id, Object.fromEntries(others.map((stream) => [`${stream} 1`, 'delivered'])), 30_000);
    const [lane] = await halted(endpoint, ['large']);
    expect(lane).toMatchObject({ streamId: 'large', headSequence: 2, headEventId: id, reason: 'invalid_payload' });
    expect((await relay.metrics()).get('waybill_outbox_oversized_total')).toBe(1);
    const answers = await twice(() => command(endpoint, 'large', 'skip', 2, 'too large'));
    expect(accepted(answers)).toBeGreaterThanOrEqual(1);
    await world.settled(endpoint.id, { 'large 1': 'delivered', 'large 2': 'skipped', 'large 3': 'delivered' }, 30_000);
    expect(sequencesOf('large')).toEqual([1, 3]);
  }, 60_000);
});
