// Checks that our fetch requests are, byte for byte, those of kafkajs, and that our reading hands on the records that its own does.
import fc from 'fast-check';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { type EncodeRequest, fasterDecoder, fasterEncoder, type ResponseDecoder } from './faster-fetch.ts';
import { decodeFetchResponse } from './fetch-response.ts';

interface Encoder {
  readonly buffer: Buffer;
  writeInt8(value: number): Encoder;
  writeInt16(value: number): Encoder;
  writeInt32(value: number): Encoder;
  writeInt64(value: bigint | number): Encoder;
  writeVarInt(value: number): Encoder;
  writeVarLong(value: number): Encoder;
  writeString(value: string): Encoder;
  writeVarIntBytes(value: Buffer | null): Encoder;
  writeBuffer(value: Buffer): Encoder;
  writeEncoder(value: Encoder): Encoder;
}

interface Batch {
  messages: { offset: unknown; timestamp: unknown; key: unknown; value: unknown; headers: Record<string, unknown> }[];
  lastOffset(): unknown;
  isEmptyDueToFiltering(): boolean;
}

const require = createRequire(import.meta.url);
const original = require('kafkajs/src/protocol/requests/fetch/v11/response.js') as ResponseDecoder;
const originalRequest = require('kafkajs/src/protocol/requests/fetch/v11/request.js') as EncodeRequest;
const KafkaJsBatch = require('kafkajs/src/consumer/batch.js') as new (t: string, offset: string, p: object) => Batch;
const KafkaJsEncoder = require('kafkajs/src/protocol/encoder.js') as new () => Encoder;
const encoder = () => new KafkaJsEncoder();

const LOG_APPEND_TIME = 8;
const TRANSACTIONAL = 16;
const CONTROL = 32;

const bytes = fc.oneof(
  fc.constantFrom('', 'a', 'b', 'ab', 'zoë').map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 200 }).map((data) => Buffer.from(data)),
);
const nullable = fc.option(bytes, { freq: 8 });
const headersNamed = (names: readonly string[]) =>
  fc.tuple(...names.map((name) => nullable.map((value) => ({ name, value }))));
// Mostly the names of the record before in the same order, with few values, so that some are as they were there.
const headers = fc.oneof(
  { weight: 8, arbitrary: headersNamed(['ce_id', 'ce_type', 'naïve']) },
  headersNamed(['ce_id', 'ce_time', 'naïve']),
  fc.array(fc.constantFrom('ce_id', 'ce_type', '', '7'), { maxLength: 5 }).chain(headersNamed),
);
const control = fc.constantFrom(Buffer.from([0, 0, 0, 0]), Buffer.from([0, 0, 0, 1]));
const record = fc.record({
  timestampDelta: fc.oneof(fc.integer({ min: -100, max: 100 }), fc.integer({ min: -(2 ** 40), max: 2 ** 40 })),
  key: fc.oneof(nullable, control),
  value: nullable,
  headers,
  surplus: fc.oneof(fc.constant(new Uint8Array()), fc.uint8Array({ maxLength: 2 })),
});
const batch = fc.record({
  firstOffset: fc.oneof(fc.nat({ max: 20 }), fc.nat({ max: Number.MAX_SAFE_INTEGER - 100 })),
  firstTimestamp: fc.oneof(fc.constant(-1), fc.nat({ max: 2 ** 41 })),
  maxTimestamp: fc.nat({ max: 2 ** 41 }),
  producerId: fc.constantFrom(-1n, 7n, 2n ** 60n + 1n),
  attributes: fc.subarray([LOG_APPEND_TIME, TRANSACTIONAL, CONTROL]).map((bits) => bits.reduce((a, b) => a | b, 0)),
  records: fc.array(record, { maxLength: 12 }),
});
const partition = fc.record({
  errorCode: fc.constantFrom<number>(0, 0, 0, 1),
  highWatermark: fc.nat({ max: Number.MAX_SAFE_INTEGER }),
  aborted: fc.array(fc.record({ producerId: fc.constantFrom(7n, 2n ** 60n + 1n), firstOffset: fc.nat({ max: 20 }) })),
  preferredReadReplica: fc.constantFrom<number>(-1, -1, 2),
  batches: fc.array(batch, { maxLength: 3 }),
  fetchedOffset: fc.nat({ max: 20 }),
  cutOff: fc.oneof(fc.constant(0), fc.nat({ max: 400 })),
});
type Partition = typeof partition extends fc.Arbitrary<infer T> ? T : never;
type RecordBatch = Partition['batches'][number];
const response = fc.array(fc.array(partition, { maxLength: 3 }), { maxLength: 2 });

function encodeRecord({ timestampDelta, key, value, headers, surplus }: RecordBatch['records'][number], i: number) {
  const body = encoder().writeInt8(0).writeVarLong(timestampDelta).writeVarInt(i);
  body.writeVarIntBytes(key).writeVarIntBytes(value).writeVarInt(headers.length);
  for (const one of headers) body.writeVarIntBytes(Buffer.from(one.name)).writeVarIntBytes(one.value);
  body.writeBuffer(Buffer.from(surplus));
  return encoder().writeVarInt(body.buffer.length).writeEncoder(body);
}

function encodeBatch({ firstOffset, firstTimestamp, maxTimestamp, producerId, attributes, records }: RecordBatch) {
  const body = encoder()
    .writeInt32(0)
    .writeInt8(2)
    .writeInt32(0)
    .writeInt16(attributes)
    .writeInt32(records.length - 1);
  body.writeInt64(firstTimestamp).writeInt64(maxTimestamp).writeInt64(producerId).writeInt16(0).writeInt32(0);
  body.writeInt32(records.length);
  for (const [i, one] of records.entries()) body.writeEncoder(encodeRecord(one, i));
  return encoder().writeInt64(firstOffset).writeInt32(body.buffer.length).writeEncoder(body).buffer;
}

function encodePartition(out: Encoder, number: number, given: Partition) {
  const { errorCode, highWatermark, aborted, preferredReadReplica, batches, cutOff } = given;
  out.writeInt32(number).writeInt16(errorCode).writeInt64(highWatermark).writeInt64(highWatermark).writeInt64(0);
  out.writeInt32(aborted.length);
  for (const { producerId, firstOffset } of aborted) out.writeInt64(producerId).writeInt64(firstOffset);
  const records = Buffer.concat(batches.map(encodeBatch));
  // Cut off by the limit on the response's size, but never within the first fields of the first batch.
  const size = records.length === 0 ? 0 : Math.max(records.length - cutOff, 61);
  out.writeInt32(preferredReadReplica).writeInt32(size).writeBuffer(records.subarray(0, size));
}

function encodeResponse(topics: Partition[][]): Buffer {
  const out = encoder().writeInt32(3).writeInt16(0).writeInt32(0).writeInt32(topics.length);
  for (const [t, partitions] of topics.entries()) {
    out.writeString(`topic-${t}`).writeInt32(partitions.length);
    for (const [p, one] of partitions.entries()) encodePartition(out, p, one);
  }
  return Buffer.from(out.buffer);
}

const asBytes = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(asBytes);
  return typeof value === 'string' ? Buffer.from(value) : value;
};

interface Decoded {
  responses: { topicName: string; partitions: { partition: number; messages: unknown[] }[] }[];
}

/** What kafkajs hands on of each partition that is more than empty. */
function handedOn(decoded: object, topics: Partition[][]) {
  return (decoded as Decoded).responses.flatMap(({ topicName, partitions }) =>
    partitions.flatMap((one) => {
      const { messages, errorCode, preferredReadReplica, ...rest } = one as typeof one & Omit<Partition, 'batches'>;
      if (messages.length === 0 && errorCode === 0 && preferredReadReplica === -1) return [];
      const { fetchedOffset } = topics[Number(topicName.at(-1))]![one.partition]!;
      const handed = new KafkaJsBatch(topicName, String(fetchedOffset), one);
      const records = handed.messages.map(({ offset, timestamp, key, value, headers }) => ({
        offset: Number(offset),
        timestamp: Number(timestamp),
        key: asBytes(key),
        value,
        headers: Object.fromEntries(Object.entries(headers).map(([name, header]) => [name, asBytes(header)])),
      }));
      const lastOffset = String(handed.lastOffset());
      const isFiltered = handed.isEmptyDueToFiltering();
      const texts = JSON.parse(JSON.stringify(rest), (_, value: unknown) =>
        typeof value === 'number' ? String(value) : value,
      ) as object;
      return [{ topicName, ...texts, errorCode, preferredReadReplica, lastOffset, isFiltered, records }];
    }),
  );
}

const int32 = fc.nat({ max: 2 ** 31 - 1 });
const wanted = fc.record({
  partition: int32,
  fetchOffset: fc.bigInt({ min: -1n, max: 2n ** 63n - 1n }).map(String),
  maxBytes: int32,
});
const request = fc.record({
  replicaId: fc.constant(-1),
  maxWaitTime: int32,
  minBytes: int32,
  maxBytes: int32,
  isolationLevel: fc.constantFrom(0, 1),
  topics: fc.array(fc.record({ topic: fc.string({ unit: 'grapheme' }), partitions: fc.array(wanted) })),
  rackId: fc.string({ unit: 'grapheme' }),
});

describe('fasterEncoder', () => {
  it('writes the bytes that kafkajs writes', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (input) => {
        const theirs = originalRequest(input);
        const ours = fasterEncoder(originalRequest)(input);
        expect({ ...ours, encode: null }).toEqual({ ...theirs, encode: null });
        expect((await ours.encode()).buffer.equals((await theirs.encode()).buffer)).toBe(true);
      }),
    );
  });
});

describe('fasterDecoder', () => {
  it('hands on what kafkajs hands on', async () => {
    await fc.assert(
      fc.asyncProperty(response, async (topics) => {
        const data = encodeResponse(topics);
        const [ours, theirs] = await Promise.all([fasterDecoder(original).decode(data), original.decode(data)]);
        expect(decodeFetchResponse(data)).not.toBeNull();
        expect(handedOn(ours, topics)).toEqual(handedOn(theirs, topics));
        expect(ours).toMatchObject({ ...theirs, responses: expect.anything() });
      }),
      { numRuns: 300 },
    );
  });

  it('throws the errors that kafkajs throws', async () => {
    const data = encodeResponse([[partitionOf({ errorCode: 1 })]]);
    const decoder = fasterDecoder(original);
    await expect(decoder.decode(data).then(decoder.parse)).rejects.toMatchObject({ name: 'KafkaJSOffsetOutOfRange' });
  });

  it('leaves compressed records, older formats and nonsense to kafkajs', async () => {
    const batch = batchOf(1, { key: null, value: null });
    const plain = encodeResponse([[partitionOf({ batches: [batch] })]]);
    const start = plain.length - encodeBatch(batch).length;
    const kafkajs = {
      decode: () => Promise.resolve({ by: 'kafkajs' }),
      parse: (decoded: object) => Promise.resolve(decoded),
    };
    const changed = (at: number, byte: number) => Buffer.from(plain).fill(byte, start + at, start + at + 1);
    for (const [at, byte] of [
      [16, 1], // magic
      [22, 1], // gzip
      [60, 9], // more records than there are
      [61, 0x7f], // a record longer than the batch
      [61, 0x08], // a record shorter than what is in it
    ] as const) {
      expect(await fasterDecoder(kafkajs).decode(changed(at, byte))).toEqual({ by: 'kafkajs' });
    }
    expect(await fasterDecoder(kafkajs).decode(plain.subarray(0, start - 2))).toEqual({ by: 'kafkajs' });
    expect(await fasterDecoder(kafkajs).decode(plain)).not.toEqual({ by: 'kafkajs' });
  });
});

describe('decodeFetchResponse', () => {
  it('never throws, whatever the bytes', () => {
    const plain = encodeResponse([[partitionOf({ batches: [batchOf(3)] })]]);
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat({ max: plain.length - 1 }), fc.nat({ max: 255 }))), (changes) => {
        const data = Buffer.from(plain);
        for (const [at, byte] of changes) data[at] = byte;
        expect(() => decodeFetchResponse(data)).not.toThrow();
      }),
    );
  });

  it('gives texts as strings, other bytes as they are, and values their own memory', () => {
    const headers = [
      { name: 'ce_id', value: Buffer.from('e-1') },
      { name: 'raw', value: Buffer.from([0xff]) },
    ];
    const data = encodeResponse([[partitionOf({ batches: [batchOf(1, { headers })] })]]);
    const [message] = decodeFetchResponse(data)!.responses[0]!.partitions[0]!.messages;
    expect(message).toMatchObject({ key: 'card-1', headers: { ce_id: 'e-1', raw: Buffer.from([0xff]) } });
    data.fill(0);
    expect(message!.value).toEqual(Buffer.from('{}'));
  });

  it('takes a header for one whatever its name', () => {
    const headers = ['__proto__', 'constructor', 'constructor'].map((name) => ({ name, value: Buffer.from('x') }));
    const data = encodeResponse([[partitionOf({ batches: [batchOf(2, { headers })] })]]);
    for (const message of decodeFetchResponse(data)!.responses[0]!.partitions[0]!.messages) {
      expect(Object.entries(message.headers)).toEqual([
        ['__proto__', 'x'],
        ['constructor', ['x', 'x']],
      ]);
    }
  });
});

function partitionOf(changes: Partial<Partition>): Partition {
  const nothing = { errorCode: 0, aborted: [], batches: [], fetchedOffset: 0, cutOff: 0 };
  return { ...nothing, highWatermark: 9, preferredReadReplica: -1, ...changes };
}

function batchOf(count: number, changes: Partial<RecordBatch['records'][number]> = {}): RecordBatch {
  const one = { timestampDelta: 0, key: Buffer.from('card-1'), value: Buffer.from('{}'), headers: [], ...changes };
  const records = Array.from({ length: count }, () => ({ ...one, surplus: new Uint8Array() }));
  return { firstOffset: 4, firstTimestamp: 9, maxTimestamp: 9, producerId: -1n, attributes: 0, records };
}
