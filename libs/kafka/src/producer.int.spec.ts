// Checks sending and topics against a real broker: order, sizes, bounds and faults.
import { leakCheck, testKafka, until } from '#testkit';
import { createServer, type Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createKafka, ensureTopics, KafkaFault, RecordTooLarge } from './index.ts';
import type { LogAdmin, LogProducer, ProducedRecord } from './index.ts';

const quiet = { debug() {}, info() {}, warn() {}, error() {} };
const leaks = leakCheck();
const broker = testKafka();
const kafka = createKafka({ brokers: broker.brokers, clientId: 'producer-test', logger: quiet });

let producer: LogProducer;
let admin: LogAdmin;
let topic: string;

beforeAll(() => {
  producer = kafka.producer();
  admin = kafka.admin();
});

beforeEach(async () => {
  topic = `${broker.prefix()}.events`;
  await ensureTopics(admin, { topics: [{ name: topic, partitions: 3, replicationFactor: 'auto' }] });
});

afterAll(async () => {
  await Promise.all([producer.disconnect(), admin.disconnect()]);
  await leaks.assertNone();
});

const record = (value: string | Buffer, partition = 0): ProducedRecord => ({
  topic,
  partition,
  key: 'key',
  value: Buffer.from(value),
  headers: { ce_id: 'e-1' },
});

async function readPartition(partition: number, count: number): Promise<string[]> {
  const values: string[] = [];
  const consumer = kafka.consumer({ groupId: `${topic}.reader`, topics: [topic] });
  consumer.start({
    onBatch: (batch) => {
      if (batch.partition === partition) values.push(...batch.records.map(({ value }) => value!.toString()));
    },
    onAssignment: () => undefined,
  });
  await until(() => values.length >= count, { withinMs: 20_000, what: `${count} records` });
  await consumer.stop();
  return values;
}

describe('a producer', () => {
  it('appends records of a partition in the given order, over any number of size-limited rounds', async () => {
    const small = kafka.producer({ maxBatchBytes: 4_096 });
    const values = Array.from({ length: 200 }, (_, i) => `${i}`.padStart(100, '.'));
    await small.send(values.flatMap((value) => [record(value, 1), record(value, 2)]));
    await small.disconnect();
    expect(await readPartition(1, 200)).toEqual(values);
    expect(await admin.highWatermarks(topic)).toEqual(new Map([0, 200, 200].entries()));
  });

  it('names the one record that is too large for Kafka', async () => {
    const large = { ...record(Buffer.alloc(1_200_000)), key: 'large' };
    const fault = await producer.send([record('a'), record('b'), large, record('c')]).catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(RecordTooLarge);
    expect((fault as RecordTooLarge).record).toBe(large);
    expect(fault).toMatchObject({ code: 'record_too_large', tooLarge: true, retryable: false });
    await producer.send([record('still works')]);
    expect(producer.state()).toEqual({ ready: true });
  });

  it('fits a batch that the broker refuses, though none of its records is too large', async () => {
    const tight = `${topic}.tight`;
    const config = { 'max.message.bytes': '2000' };
    await ensureTopics(admin, { topics: [{ name: tight, partitions: 1, replicationFactor: 1, config }] });
    await producer.send(Array.from({ length: 10 }, (_, i) => ({ ...record(`${i}`.repeat(900)), topic: tight })));
    expect((await admin.highWatermarks(tight)).get(0)).toBe(10);
  });

  it('does not call records for a missing partition acknowledged', async () => {
    await expect(producer.send([record('a', 0), record('b', 7)])).rejects.toMatchObject({
      code: 'not_acknowledged',
      retryable: true,
      message: expect.stringContaining(`partition 7 of ${topic}`),
    });
  });

  it('asks for a retry while the topic is missing', async () => {
    const missing = { ...record('a'), topic: `${topic}.missing` };
    await expect(producer.send([missing])).rejects.toMatchObject({ code: 'topic_missing', retryable: true });
  });

  it('sends several batches at once', async () => {
    await Promise.all(Array.from({ length: 20 }, (_, i) => producer.send([record(`${i}`, i % 3)])));
    const total = [...(await admin.highWatermarks(topic)).values()].reduce((sum, offset) => sum + offset, 0);
    expect(total).toBe(20);
  });

  it('refuses to send after the disconnect', async () => {
    const closed = kafka.producer();
    await closed.connect();
    await closed.disconnect();
    await expect(closed.send([record('a')])).rejects.toMatchObject({ code: 'closed', retryable: false });
  });
});

describe('a producer without Kafka', () => {
  it('fails with a retryable fault while nothing listens, and is not ready', async () => {
    const away = createKafka({ brokers: ['127.0.0.1:1'], clientId: 'away', logger: quiet }).producer();
    await expect(away.send([record('a')])).rejects.toMatchObject({ code: 'not_connected', retryable: true });
    expect(away.state()).toMatchObject({ ready: false, reason: expect.stringContaining('ECONNREFUSED') });
    await away.disconnect();
  });

  it('bounds the time of a send to a broker that accepts connections and says nothing', async () => {
    const sockets: Socket[] = [];
    const silent = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as { port: number };
    const stuck = createKafka({ brokers: [`127.0.0.1:${port}`], clientId: 'stuck', logger: quiet });
    const waiting = stuck.producer({ sendTimeoutMs: 300 });
    const sentAt = performance.now();
    await expect(waiting.send([record('a')])).rejects.toMatchObject({ code: 'timed_out', retryable: true });
    expect(performance.now() - sentAt).toBeLessThan(2_000);
    await waiting.disconnect();
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe('ensureTopics', () => {
  it('creates what is missing once, also when several places try at the same time', async () => {
    const name = `${topic}.shared`;
    const topics = [{ name, partitions: 4, replicationFactor: 'auto' as const, config: { 'retention.ms': '60000' } }];
    const created = await Promise.all([1, 2, 3].map(() => ensureTopics(admin, { topics })));
    expect(created.flat()).toEqual([name]);
    expect(await admin.topicPartitionCounts([name, `${name}.not`])).toEqual(
      new Map([
        [name, 4],
        [`${name}.not`, null],
      ]),
    );
  });

  it('refuses an existing topic with another partition count, naming topic, found and expected', async () => {
    const wanted = ensureTopics(admin, { topics: [{ name: topic, partitions: 12, replicationFactor: 'auto' }] });
    await expect(wanted).rejects.toThrow(KafkaFault);
    await expect(wanted).rejects.toMatchObject({
      code: 'partition_count_mismatch',
      message: expect.stringContaining(`${topic} has 3 partitions, but 12 are expected`),
    });
  });
});
