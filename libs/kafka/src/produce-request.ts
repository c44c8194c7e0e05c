// Encodes a Kafka Produce request (version 7) in one buffer.
import { crc32c } from './crc32c.ts';
import type { RequestWriter } from './request-writer.ts';

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

const MAGIC = 2;
const NO_PRODUCER_ID = -1n;
const REQUEST_BYTES = 12;
/** A topic's or a partition's own fields, and those of a record batch in front of its records, rounded up. */
const FIELD_BYTES = 80;
/** Of a record's own fields and of two length prefixes, rounded up. */
const RECORD_FIELD_BYTES = 32;
const PREFIX_BYTES = 5;

/**
 * Body of the request: nullable transactional id, acks, timeout, topics with partitions with one record batch each, not
 * compressed, not idempotent, all records with the creation time `now`.
 * Source: Kafka protocol guide, "Produce API" and "Record Batch".
 */
export function writeProduceRequest(
  out: RequestWriter,
  { acks, timeout, topicData }: ProduceRequest,
  now: number,
): void {
  out.makeRoom(REQUEST_BYTES);
  out.int16(-1); // no transaction
  out.int16(acks);
  out.int32(timeout);
  out.int32(topicData.length);
  for (const { topic, partitions } of topicData) {
    out.makeRoom(FIELD_BYTES + bytesAtMost(topic));
    out.int16(Buffer.byteLength(topic));
    out.text(topic);
    out.int32(partitions.length);
    for (const { partition, messages } of partitions) {
      out.makeRoom(FIELD_BYTES);
      out.int32(partition);
      const sizeAt = out.at;
      out.int32(0);
      writeBatch(out, messages, now);
      out.buf.writeInt32BE(out.at - sizeAt - 4, sizeAt);
    }
  }
}

function writeBatch(out: RequestWriter, messages: readonly ProduceMessage[], now: number): void {
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
  for (let i = 0; i < messages.length; i++) writeRecord(out, messages[i]!, i);
  out.buf.writeInt32BE(out.at - start - 12, start + 8);
  out.buf.writeUInt32BE(crc32c(out.buf, checkedFrom, out.at), checkedFrom - 4);
}

function writeRecord(out: RequestWriter, message: ProduceMessage, offsetDelta: number): void {
  const { key, value, headers } = message;
  let count = 0;
  let room = RECORD_FIELD_BYTES + bytesAtMost(key) + bytesAtMost(value);
  for (const name in headers) {
    room += 2 * PREFIX_BYTES + bytesAtMost(name) + bytesAtMost(headers[name]);
    count++;
  }
  out.makeRoom(room);
  const start = out.beginPrefixed();
  out.int8(0); // attributes: none are defined
  out.varint(0); // time since the batch's first timestamp
  out.varint(offsetDelta);
  out.bytes(key ?? null);
  out.bytes(value);
  out.varint(count);
  for (const name in headers) {
    out.bytes(name);
    out.bytes(headers[name]!);
  }
  out.endPrefixed(start);
}

/** A character of a string, as UTF-16 counts them, takes at most three bytes of UTF-8. */
function bytesAtMost(value: string | Buffer | null | undefined): number {
  if (value == null) return 0;
  return typeof value === 'string' ? 3 * value.length : value.length;
}
