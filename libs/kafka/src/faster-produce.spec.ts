// Checks that our produce requests are, byte for byte, those of kafkajs, and that records are sorted for them as by kafkajs.
import fc from 'fast-check';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { crc32c } from './crc32c.ts';
import {
  type Exchange,
  fasterVersions,
  type GroupMessages,
  groupMessages,
  type ProduceVersions,
} from './faster-produce.ts';

const require = createRequire(import.meta.url);
const versions = require('kafkajs/src/protocol/requests/produce/index.js') as ProduceVersions;
const original = versions.protocol({ version: 7 });
const ours = fasterVersions(versions).protocol({ version: 7 });
const originalGrouping = require('kafkajs/src/producer/groupMessagesPerPartition.js') as GroupMessages;

const text = fc.string({ unit: 'grapheme', maxLength: 90 });
const bytes = fc.uint8Array({ maxLength: 300 }).map((data) => Buffer.from(data));
const message = fc.record({
  key: fc.oneof(text, bytes, fc.constant(null)),
  value: fc.oneof(bytes, fc.constant(null)),
  headers: fc.dictionary(text, fc.oneof(text, bytes), { maxKeys: 12, noNullPrototype: true }),
});
const topic = fc.record({
  topic: fc.stringMatching(/^[a-z.-]{1,20}$/),
  partitions: fc.array(
    fc.record({
      partition: fc.nat(),
      firstSequence: fc.constant(0),
      messages: fc.array(message, { minLength: 1, maxLength: 70 }),
    }),
    { maxLength: 3 },
  ),
});
const request = fc.record({
  acks: fc.constant(-1),
  timeout: fc.nat(),
  topicData: fc.array(topic, { maxLength: 2 }),
  producerId: fc.constant(-1),
  producerEpoch: fc.constant(0),
});

describe('fasterVersions', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 2) }));
  afterEach(() => void vi.useRealTimers());

  it('writes the bytes that kafkajs writes', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (input) => {
        const [mine, theirs] = await Promise.all([ours(input).request.encode(), original(input).request.encode()]);
        expect(mine.buffer.equals(theirs.buffer)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('writes the bytes that kafkajs writes when a request outgrows its memory', async () => {
    const messages = ['é'.repeat(30_000), 'a'.repeat(200_000), ''].map((value) => ({ key: null, value, headers: {} }));
    const input = { acks: -1, timeout: 1, topicData: [{ topic: 't', partitions: [{ partition: 0, messages }] }] };
    const [mine, theirs] = await Promise.all([ours(input).request.encode(), original(input).request.encode()]);
    expect(mine.buffer.equals(theirs.buffer)).toBe(true);
  });

  it('writes into the memory of a request that was answered, never of one that waits for its answer', async () => {
    const answer = Buffer.alloc(8); // no topics, no throttling
    const sent = async () => {
      const { request: encoded, response } = ours({ acks: -1, timeout: 1, topicData: [] });
      return { memory: (await encoded.encode()).buf, answered: () => response.decode(answer) };
    };
    const [first, second] = [await sent(), await sent()];
    await first.answered();
    const third = await sent();
    await first.answered();
    const fourth = await sent();
    expect(third.memory).toBe(first.memory);
    expect(new Set([second.memory, third.memory, fourth.memory]).size).toBe(3);
  });

  it('leaves idempotent and compressed requests and older versions to kafkajs', () => {
    const given = {} as ReturnType<Exchange>;
    const theirs: ProduceVersions = { protocol: () => () => given };
    const plain = { acks: -1, timeout: 0, topicData: [] };
    for (const extra of [{ producerId: 7 }, { compression: 1 }, { transactionalId: 'x' }]) {
      expect(fasterVersions(theirs).protocol({ version: 7 })({ ...plain, ...extra })).toEqual({});
    }
    expect(fasterVersions(theirs).protocol({ version: 6 })(plain)).toBe(given);
  });
});

describe('groupMessages', () => {
  it('sorts records as kafkajs does', () => {
    const records = fc.array(fc.record({ partition: fc.nat(12), value: fc.nat() }), { maxLength: 60 });
    fc.assert(
      fc.property(records, fc.array(fc.constant({}), { maxLength: 2 }), (messages, partitionMetadata) => {
        const partitioner = ({ message }: { message: unknown }) => (message as { partition: number }).partition;
        const given = { topic: 'events', partitionMetadata, messages, partitioner };
        expect(groupMessages(given)).toEqual(originalGrouping(given));
      }),
    );
  });
});

describe('crc32c', () => {
  it('gives the values of RFC 3720, appendix B.4', () => {
    expect(crc32c(new Uint8Array(32), 0, 32)).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff), 0, 32)).toBe(0x62a8ab43);
    expect(
      crc32c(
        Uint8Array.from({ length: 32 }, (_, i) => i),
        0,
        32,
      ),
    ).toBe(0x46dd794e);
    expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283);
  });
});
