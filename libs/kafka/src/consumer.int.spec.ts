// Checks group membership against a real broker: reading, committing, rejoining, sharing, pausing, lag and leaving.
import { deferred } from '#clock';
import { leakCheck, testKafka, until } from '#testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKafka, ensureTopics } from './index.ts';
import type { ConsumerHandlers, ConsumerOptions, LogAdmin, LogConsumer, LogProducer } from './index.ts';

const PARTITIONS = 6;
const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const leaks = leakCheck();
const broker = testKafka();
const kafka = createKafka({ brokers: broker.brokers, clientId: 'consumer-test', logger: quiet });

let producer: LogProducer;
let admin: LogAdmin;
let events: string;
let retry: string;
let groupId: string;
let members: Member[];

beforeAll(() => {
  producer = kafka.producer();
  admin = kafka.admin();
});

beforeEach(async () => {
  const prefix = broker.prefix();
  [events, retry, groupId, members] = [`${prefix}.events`, `${prefix}.retry`, `${prefix}.group`, []];
  const topics = [events, retry].map((name) => ({ name, partitions: PARTITIONS, replicationFactor: 'auto' as const }));
  await ensureTopics(admin, { topics });
});

afterEach(async () => {
  await Promise.all(members.map(({ consumer }) => consumer.stop()));
});

afterAll(async () => {
  await Promise.all([producer.disconnect(), admin.disconnect()]);
  await leaks.assertNone();
});

interface Member {
  consumer: LogConsumer;
  assignments: (readonly number[])[];
  /** topic/partition/offset=value, in the order of arrival. */
  seen: string[];
  faults: string[];
}

function join(extra: Partial<ConsumerHandlers> = {}, options: Partial<ConsumerOptions> = {}): Member {
  const consumer = kafka.consumer({
    groupId,
    topics: [events, retry],
    sessionTimeoutMs: 6_000,
    heartbeatIntervalMs: 300,
    ...options,
  });
  const member: Member = { consumer, assignments: [], seen: [], faults: [] };
  members.push(member);
  consumer.start({
    onBatch: ({ topic, partition, records }) => {
      for (const { offset, value } of records) member.seen.push(`${topic}/${partition}/${offset}=${value?.toString()}`);
    },
    onAssignment: (partitions) => void member.assignments.push(partitions),
    onFault: ({ code }) => void member.faults.push(code),
    ...extra,
  });
  return member;
}

const assigned = (member: Member) =>
  until(() => member.consumer.state().ready, { withinMs: 20_000, what: 'the member to have joined' });

const share = (member: Member) => [...member.consumer.state().partitions];

/** Every given member holds something, and together they hold each partition once. */
const settled = (...group: Member[]) =>
  until(
    () => group.every((member) => share(member).length > 0) && group.flatMap(share).toSorted().join() === '0,1,2,3,4,5',
    {
      withinMs: 20_000,
      what: 'the group to share all partitions',
    },
  );

const seenBy = (member: Member, count: number) =>
  until(() => member.seen.length >= count, { withinMs: 20_000, what: `${count} records` });

async function produce(topic: string, partition: number, ...values: string[]): Promise<void> {
  const record = { topic, partition, key: 'key', headers: {} };
  await producer.send(values.map((value) => ({ ...record, value: Buffer.from(value) })));
}

describe('a consumer', () => {
  it('hands over key, value, headers and offsets as they were produced, from the beginning of the topics', async () => {
    const headers = { ce_id: 'e-1', name: 'zoë', raw: Buffer.from([0, 255]) };
    await producer.send([{ topic: events, partition: 4, key: 'onb-1', value: Buffer.from('{"a":1}'), headers }]);
    const batch = deferred<Parameters<ConsumerHandlers['onBatch']>[0]>();
    join({ onBatch: batch.resolve });
    const { records, ...rest } = await batch.promise;
    expect(rest).toEqual({ topic: events, partition: 4, highWatermark: 1 });
    expect(records[0]).toEqual({
      offset: 0,
      key: 'onb-1',
      value: Buffer.from('{"a":1}'),
      headers: { ce_id: 'e-1', name: Buffer.from('zoë'), raw: Buffer.from([0, 255]) },
      timestampMs: expect.closeTo(Date.now(), -5),
    });
  });

  it('reads on at the committed offset after a restart', async () => {
    const first = join();
    await produce(events, 2, 'a', 'b', 'c');
    await seenBy(first, 3);
    expect(await first.consumer.commit([{ topic: events, partition: 2, offset: 2 }])).toEqual({
      kind: 'committed',
      skipped: [],
    });
    await first.consumer.stop();
    const second = join();
    await seenBy(second, 1);
    expect(second.seen).toEqual([`${events}/2/2=c`]);
    expect((await admin.committedOffsets(groupId, events)).get(2)).toBe(2);
  });

  it('does not commit what is not assigned to it, and says so', async () => {
    const member = join();
    expect(await member.consumer.commit([{ topic: events, partition: 0, offset: 1 }])).toEqual({
      kind: 'not_assigned',
    });
    await assigned(member);
    const foreign = { topic: events, partition: PARTITIONS + 1, offset: 1 };
    expect(await member.consumer.commit([foreign])).toEqual({ kind: 'not_assigned' });
    const own = { topic: retry, partition: 0, offset: 0 };
    expect(await member.consumer.commit([own, foreign])).toEqual({ kind: 'committed', skipped: [foreign] });
    await member.consumer.stop();
    expect(await member.consumer.commit([own])).toEqual({ kind: 'not_assigned' });
  });

  it('reads a batch again when the handler fails', async () => {
    let failures = 1;
    const values: string[] = [];
    join({
      onBatch: ({ records }) => {
        if (failures-- > 0) throw new Error('the handler fails once');
        values.push(...records.map(({ value }) => String(value)));
      },
    });
    await produce(events, 0, 'a', 'b');
    await until(() => values.length === 2, { withinMs: 20_000, what: 'the second reading' });
    expect(values).toEqual(['a', 'b']);
  });

  it('tells how much is left to read, per topic', async () => {
    const member = join();
    await assigned(member);
    member.consumer.pause(retry, [1]);
    await produce(events, 1, 'a', 'b');
    await seenBy(member, 2);
    expect(Object.fromEntries(member.consumer.lag())).toEqual({ [events]: 0, [retry]: 0 });
  });

  it('does not consume topics with a wrong partition count, and its state says why', async () => {
    const member = join({}, { expectedPartitions: PARTITIONS + 1 });
    await until(() => member.faults.length > 0, { withinMs: 20_000, what: 'the fault' });
    expect(member.faults[0]).toBe('partition_count_mismatch');
    expect(member.consumer.state()).toMatchObject({
      ready: false,
      reason: expect.stringMatching(/6 partitions, but 7/),
    });
    expect(member.assignments).toEqual([]);
  });

  it('waits for topics that do not exist yet', async () => {
    const missing = `${events}-later`;
    const consumer = kafka.consumer({ groupId, topics: [missing] });
    const faults: string[] = [];
    consumer.start({
      onBatch: () => undefined,
      onAssignment: () => undefined,
      onFault: ({ code }) => void faults.push(code),
    });
    await until(() => faults.length > 0, { withinMs: 20_000, what: 'a fault' });
    await ensureTopics(admin, { topics: [{ name: missing, partitions: 1, replicationFactor: 1 }] });
    await until(() => consumer.state().ready, { withinMs: 20_000, what: 'the join' });
    await consumer.stop();
    expect(new Set(faults)).toEqual(new Set(['topic_missing']));
  });
});

describe('pausing', () => {
  it('holds back one partition of one topic, and the records come after the resume', async () => {
    const member = join();
    await assigned(member);
    member.consumer.pause(events, [3]);
    await produce(events, 3, 'held');
    await produce(retry, 3, 'ticket');
    await produce(events, 2, 'other');
    await seenBy(member, 2);
    expect(member.seen.toSorted()).toEqual([`${events}/2/0=other`, `${retry}/3/0=ticket`]);
    member.consumer.resume(events, [3]);
    await seenBy(member, 3);
    expect(member.seen[2]).toBe(`${events}/3/0=held`);
  });

  it('survives a rejoin for partitions that stay, and ends for those that leave', async () => {
    const first = join();
    await assigned(first);
    first.consumer.pause(events, [0, 1, 2, 3, 4, 5]);
    const second = join();
    await settled(first, second);
    const kept = share(first)[0]!;
    await produce(events, kept, 'held');
    const moved = share(second)[0]!;
    await produce(events, moved, 'moved');
    await seenBy(second, 1);
    await second.consumer.stop();
    await settled(first);
    await seenBy(first, 1); // back again, unpaused, and nothing was committed
    expect(first.seen).toEqual([`${events}/${moved}/0=moved`]);
    first.consumer.resume(events, [kept]);
    await seenBy(first, 2);
  });
});

describe('a group', () => {
  it('shares the partitions of all topics alike, and a newcomer takes only its share', async () => {
    const first = join();
    await settled(first);
    const second = join();
    await settled(first, second);
    expect([share(first).length, share(second).length]).toEqual([3, 3]);
    const before = share(first);
    const third = join();
    await settled(first, second, third);
    expect([first, second, third].map((member) => share(member).length)).toEqual([2, 2, 2]);
    expect(before).toEqual(expect.arrayContaining(share(first)));
  });

  it("gives a leaver's partitions to the others at once, who keep theirs", async () => {
    // Far more than the whole test may take: nobody is found gone who has not said so.
    const lasting = { sessionTimeoutMs: 120_000 };
    const [first, second] = [join({}, lasting), join({}, lasting)];
    await settled(first, second);
    const before = share(first);
    await second.consumer.stop();
    await settled(first);
    expect(first.assignments.at(-1)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(first.assignments.at(-2)).toEqual(before);
  });

  it('stops cleanly in the middle of a join', async () => {
    const member = join();
    await member.consumer.stop();
    expect(member.consumer.state()).toMatchObject({ phase: 'stopped', ready: false });
    const next = join();
    await settled(next);
  });

  it('reads what was not committed again after a rebalance, even of partitions that were kept', async () => {
    const first = join();
    await settled(first);
    for (let partition = 0; partition < PARTITIONS; partition++) await produce(events, partition, 'once');
    await seenBy(first, PARTITIONS);
    const second = join();
    await settled(first, second);
    await seenBy(first, PARTITIONS + 3);
    expect(first.seen.slice(PARTITIONS).toSorted()).toEqual(share(first).map((p) => `${events}/${p}/0=once`));
  });
});
