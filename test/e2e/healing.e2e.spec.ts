// What the log loses comes back from the outbox by itself, and what nobody has any more waits for an operator.
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { LogAdmin } from '#kafka';
import { type Receiver, startReceiver, until } from '#testkit';
import type { ServiceProcess } from './processes.ts';
import { createWorld, type Endpoint, OrderJudge, type World } from './world.ts';

const PARTITIONS = 3;

let world: World;
let admin: LogAdmin;
let consumer: ServiceProcess;
let receiver: Receiver;
let judge: OrderJudge;
let endpoint: Endpoint;
let events: string;

beforeAll(async () => {
  world = await createWorld({ partitions: PARTITIONS, env: { WAYBILL_RECONCILE_AFTER_MS: '1000' } });
  ({ consumer } = await world.startAll());
  admin = world.kafka.admin();
  events = `${world.prefix}.events`;
}, 90_000);
afterEach(() => receiver?.close());
afterAll(async () => {
  await admin?.disconnect();
  await world?.close();
});

/** A tenant, an endpoint and a receiver for one test. */
async function newEndpoint(): Promise<void> {
  judge = new OrderJudge();
  receiver = await startReceiver({ behaviour: (arrival) => ({ status: judge.judge(arrival, () => 200) }) });
  endpoint = await world.createEndpoint({ url: receiver.url, initialDelayMs: 10, maxDelayMs: 50 });
}

const publish = (stream: string, count = 1) => world.publishMany(endpoint.tenantId, stream, count);
const delivered = (stream: string, count: number) =>
  world.settled(
    endpoint.id,
    Object.fromEntries(Array.from({ length: count }, (_, n) => [`${stream} ${n + 1}`, 'delivered'])),
    40_000,
  );
const laneOf = async (stream: string) => (await world.lanes(endpoint.id)).find((lane) => lane.streamId === stream);

/** As the receiver saw it, and as the consumer's own witness did. */
async function expectOrder(requests = judge.requests): Promise<void> {
  expect(judge).toMatchObject({ violations: [], duplicates: 0, requests });
  expect((await consumer.metrics()).get('waybill_order_violations_total')).toBe(0);
}

async function restartConsumer(whileAway: () => Promise<void>): Promise<void> {
  expect(await consumer.stop()).toBe(0);
  await whileAway();
  consumer = await world.start('delivery-consumer');
  await consumer.ready();
}

const ends = async () => [...(await admin.offsetRanges(events)).values()].reduce((sum, { high }) => sum + high, 0);

/** Publishes by `action` and waits until the relay has written it to the log. */
async function onTheLog(count: number, action: () => Promise<unknown>): Promise<void> {
  const before = await ends();
  await action();
  await until(async () => (await ends()) >= before + count, { withinMs: 20_000, what: `${count} records on the log` });
}

/** While no consumer runs: moves the group's offsets, as an operator may do by mistake. */
async function commitOffsets(to: 'end' | 'beginning'): Promise<void> {
  const group = `${world.prefix}.delivery`;
  const intruder = world.kafka.consumer({ groupId: group, topics: [events, `${world.prefix}.retry`] });
  const ranges = await admin.offsetRanges(events);
  const offsets = [...ranges].map(([partition, { low, high }]) => ({
    topic: events,
    partition,
    offset: to === 'end' ? high : low,
  }));
  intruder.start({ onBatch: () => undefined, onAssignment: () => undefined });
  const isCommitted = async () => (await intruder.commit(offsets)).kind === 'committed';
  try {
    await until(isCommitted, { withinMs: 20_000, what: 'the offsets to be moved' });
  } finally {
    await intruder.stop();
  }
}

async function recreateTopic(): Promise<void> {
  await admin.deleteTopics([events]);
  const isGone = async () => (await admin.topicPartitionCounts([events])).get(events) === null;
  await until(isGone, { withinMs: 20_000, what: 'the topic to be gone' });
  // A broker refuses the name for a moment.
  const create = () => admin.createTopic({ name: events, partitions: PARTITIONS, replicationFactor: 1, config: {} });
  await until(create, { withinMs: 20_000, what: 'the topic to be there again' });
}

describe('a topic that is deleted and made anew', () => {
  it('loses nothing that nobody had read, and sends nothing twice', async () => {
    await newEndpoint();
    await publish('read-1', 3);
    await delivered('read-1', 3);
    await restartConsumer(async () => {
      await onTheLog(8, async () => {
        await publish('read-1', 2);
        await publish('unread-1', 3);
        await publish('unread-2', 3);
      });
      await recreateTopic();
    });
    await delivered('read-1', 5);
    await delivered('unread-1', 3);
    await delivered('unread-2', 3);
    await expectOrder();
  }, 120_000);

  it('is read on from its beginning by a consumer that had read further in the old one', async () => {
    await newEndpoint();
    await publish('live', 20);
    await delivered('live', 20);
    await recreateTopic();
    await publish('live', 3);
    await delivered('live', 23);
    await expectOrder();
  }, 120_000);
});

describe('offsets that are moved', () => {
  it('beyond a record lose nothing, be it the last one of its stream', async () => {
    await newEndpoint();
    await publish('skipped', 1);
    await delivered('skipped', 1);
    await restartConsumer(async () => {
      await onTheLog(1, () => publish('skipped', 1));
      await commitOffsets('end');
    });
    await delivered('skipped', 2);
    await expectOrder();
  }, 120_000);

  it('to the beginning send nothing twice', async () => {
    await newEndpoint();
    await publish('again', 30);
    await delivered('again', 30);
    await restartConsumer(() => commitOffsets('beginning'));
    await publish('again', 1);
    await delivered('again', 31);
    await expectOrder(31);
    expect((await consumer.metrics()).get('waybill_duplicate_records_total')).toBeGreaterThanOrEqual(30);
  }, 120_000);
});

describe('a gap', () => {
  /** The consumer never sees the first `count` records of the stream; the one behind them it does. */
  async function makeGap(stream: string, count: number, whileAway: (ids: string[]) => Promise<unknown>): Promise<void> {
    await restartConsumer(async () => {
      let ids: string[] = [];
      await onTheLog(count, async () => void (ids = await publish(stream, count)));
      await whileAway(ids);
      await commitOffsets('end');
      await onTheLog(1, () => publish(stream, 1));
    });
  }
  const reasonOf = (stream: string, reason: string) =>
    until(async () => ((await laneOf(stream))?.reason === reason ? laneOf(stream) : null), {
      withinMs: 30_000,
      what: `lane ${stream} to be ${reason}`,
    });

  it('is filled from the outbox', async () => {
    await newEndpoint();
    await makeGap('gap', 3, async () => undefined);
    await delivered('gap', 4);
    await expectOrder();
    await until(async () => (await laneOf('gap'))?.state === 'open', { withinMs: 20_000, what: 'the lane to open' });
  }, 120_000);

  it('halts its lane when the outbox has the events no more, until an operator skips them', async () => {
    await newEndpoint();
    await makeGap('lost', 2, (ids) => world.pool.query('DELETE FROM outbox.event WHERE event_id = ANY ($1)', [ids]));
    const skip = (sequence: number) =>
      world.call('POST', `/v1/lanes/${endpoint.id}/lost/skip`, { sequence, reason: 'agreed' });
    expect(await reasonOf('lost', 'event_lost')).toMatchObject({
      state: 'halted',
      headSequence: 1,
      headEventId: null,
      depth: 1,
      nextAttemptAt: null,
      hasOwner: true,
    });
    expect(consumer.log).toContainEqual(expect.objectContaining({ msg: 'lane halted', reason: 'event_lost' }));
    expect((await skip(2)).status).toBe(409);
    expect((await skip(1)).status).toBe(202);
    await until(async () => (await laneOf('lost'))?.headSequence === 2, { withinMs: 20_000, what: 'the skip' });
    expect((await skip(2)).status).toBe(202);
    await world.settled(endpoint.id, { 'lost 3': 'delivered' });
    await until(async () => (await laneOf('lost'))?.state === 'open', { withinMs: 20_000, what: 'the lane to open' });
    expect(receiver.arrivals.map((arrival) => arrival.headers['x-webhook-sequence'])).toEqual(['3']);
    const audit = (await world.call('GET', '/v1/audit?limit=2')).body.items;
    expect(audit).toMatchObject([{ action: 'lane.skip' }, { action: 'lane.skip' }]);
  }, 120_000);
});

describe('an outbox that is restored to an earlier time', () => {
  it('gives a sequence twice: the lane halts, the event is kept, and a retry lets the lane go on', async () => {
    await newEndpoint();
    await publish('restored', 2);
    await delivered('restored', 2);
    await world.pool.query(`UPDATE outbox.stream SET position = 1 WHERE stream_id = 'restored'`);
    await publish('restored', 1);
    const lane = await until(
      async () => (await world.lanes(endpoint.id)).find(({ reason }) => reason === 'sequence_conflict'),
      { withinMs: 20_000, what: 'the conflict' },
    );
    expect(lane).toMatchObject({ state: 'halted', headSequence: 3, headEventId: null, depth: 0 });
    const path = `/v1/lanes/${endpoint.id}/restored`;
    expect((await world.call('POST', `${path}/skip`, { sequence: 3, reason: 'x' })).status).toBe(409);
    // What comes behind it waits.
    await publish('restored', 1);
    await world.settled(endpoint.id, { 'restored 3': 'pending' });
    expect((await world.call('POST', `${path}/retry`, { sequence: 3, reason: 'counters mended' })).status).toBe(202);
    await delivered('restored', 3);
    await expectOrder(3);
  }, 120_000);
});
