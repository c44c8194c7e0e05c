// Encodes a Kafka Produce request (version 7) in one buffer.
import { crc32c } from './crc32c.ts';
import { RequestWriter } from './request-writer.ts';

export interface ProduceMessage {
  key?: string | Buffer | null;
  value: Buffer | string | null;
  headers?: Record<string, string | Buffer>;
}

export interface ProduceRequest {
  acks: number;
  timeout: number;
  topicData: readonly {
    topic: string;
    partitions: readonly { partition: number; messages: readonly ProduceMessage[] }[];
  }[];
}

/** From the base offset to the records: the fixed part of a record batch of magic 2. */
const BATCH_HEADER_BYTES = 61;
const MAGIC = 2;
const NO_PRODUCER_ID = -1n;

/**
 * Body of the request: nullable transactional id, acks, timeout, topics with partitions with one record batch each, not
 * compressed, not idempotent, all records with the creation time `now`.
 * Source: Kafka protocol guide, "Produce API" and "Record Batch".
 */
export function encodeProduceRequest({ acks, timeout, topicData }: ProduceRequest, now: number): Buffer {
  const sizes = topicData.map(({ partitions }) => partitions.map(({ messages }) => messages.map(recordBodyBytes)));
  const out = new RequestWriter(requestBytes(topicData, sizes));
  out.int16(-1); // no transaction
  out.int16(acks);
  out.int32(timeout);
  out.int32(topicData.length);
  for (const [t, { topic, partitions }] of topicData.entries()) {
    out.int16(Buffer.byteLength(topic));
    out.text(topic);
    out.int32(partitions.length);
    for (const [p, { partition, messages }] of partitions.entries()) {
      out.int32(partition);
      const sizeAt = out.at;
      out.int32(0);
      writeBatch(out, messages, sizes[t]![p]!, now);
      out.data.writeInt32BE(out.at - sizeAt - 4, sizeAt);
    }
  }
  return out.data.subarray(0, out.at);
}

function writeBatch(
  out: RequestWriter,
  messages: readonly ProduceMessage[],
  sizes: readonly number[],
  now: number,
): void {
  const start = out.at;
  out.int64(0n); // base offset: the broker's to decide
  out.int32(0); // length, below
  out.int32(0); // leader epoch: the broker's
  out.int8(MAGIC);
  out.int32(0); // checksum, below
  const checkedFrom = out.at;
  out.int16(0); // attributes: no compression, creation time, no transaction
  out.int32(messages.length - 1);
  out.int64(BigInt(now));
  out.int64(BigInt(now));
  out.int64(NO_PRODUCER_ID);
  out.int16(0);
  out.int32(0);
  out.int32(messages.length);
  for (let i = 0; i < messages.length; i++) writeRecord(out, messages[i]!, i, sizes[i]!);
  out.data.writeInt32BE(out.at - start - 12, start + 8);
  out.data.writeUInt32BE(crc32c(out.data, checkedFrom, out.at), checkedFrom - 4);
}

function writeRecord(
  out: RequestWriter,
  { key, value, headers }: ProduceMessage,
  offsetDelta: number,
  size: number,
): void {
  out.varint(size);
  out.int8(0); // attributes: none are defined
  out.varint(0); // time since the batch's first timestamp
  out.varint(offsetDelta);
  out.bytes(key ?? null);
  out.bytes(value);
  const names = headers ? Object.keys(headers) : [];
  out.varint(names.length);
  for (const name of names) {
    out.bytes(name);
    out.bytes(headers![name]!);
  }
}

function recordBodyBytes({ key, value, headers }: ProduceMessage, offsetDelta: number): number {
  let size = 2 + varintBytes(offsetDelta) + prefixedBytes(key ?? null) + prefixedBytes(value);
  let count = 0;
  for (const name in headers) {
    size += prefixedBytes(name) + prefixedBytes(headers[name]!);
    count++;
  }
  return size + varintBytes(count);
}

/** An upper bound: the prefix of a record's length takes at most 5 bytes. */
function requestBytes(topicData: ProduceRequest['topicData'], sizes: readonly (readonly number[][])[]): number {
  let total = 12;
  for (const [t, { topic }] of topicData.entries()) {
    total += 6 + Buffer.byteLength(topic);
    for (const bodies of sizes[t]!) {
      total += 8 + BATCH_HEADER_BYTES;
      for (const body of bodies) total += body + 5;
    }
  }
  return total;
}

function prefixedBytes(value: string | Buffer | null): number {
  if (value === null) return 1;
  const length = typeof value === 'string' ? Buffer.byteLength(value) : value.length;
  return varintBytes(length) + length;
}

/** Of a number that is not negative, zigzag encoded. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 6; rest !== 0; rest >>>= 7) bytes++;
  return bytes;
}
