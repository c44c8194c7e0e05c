// Reads the records of a Kafka record batch, with few objects for each: what repeats from record to record is made once.
import type { HeaderValue } from './port.ts';

/** Of a record's batch: what its records are counted from, and what kafkajs needs to leave out aborted transactions. */
export interface BatchContext {
  firstOffset: number;
  firstTimestamp: number;
  /** Of all records, when the broker stamps them; else each has its own. */
  logAppendTime: number | null;
  producerId: string;
  inTransaction: boolean;
  isControlBatch: boolean;
}

/** In the shape that kafkajs filters and hands on, but with numbers in the place of decimal texts. */
export class FetchedRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Buffer | string | null;
  readonly value: Buffer | null;
  readonly headers: Record<string, HeaderValue>;
  readonly isControlRecord: boolean;
  readonly batchContext: BatchContext;

  constructor(
    offset: number,
    timestamp: number,
    content: Pick<FetchedRecord, 'key' | 'value' | 'headers'>,
    batchContext: BatchContext,
  ) {
    this.offset = offset;
    this.timestamp = timestamp;
    this.key = content.key;
    this.value = content.value;
    this.headers = content.headers;
    this.isControlRecord = batchContext.isControlBatch;
    this.batchContext = batchContext;
  }
}

/** The bytes are not what the protocol says, or not what is read here. */
export class Unreadable extends Error {}

/** A header of the record before, with where its bytes are. */
interface SeenHeader {
  name: string;
  nameAt: number;
  nameBytes: number;
  valueAt: number;
  /** -1: null. */
  valueBytes: number;
}

/** For the records of one buffer. */
export class RecordReader {
  readonly #data: Buffer;
  #at = 0;
  /** Of the record before, unless a name stood there twice. */
  #seen: SeenHeader[] = [];
  #seenHeaders: Record<string, HeaderValue> = {};

  constructor(data: Buffer) {
    this.#data = data;
  }

  /** Appends the `count` records in `[start, end)` to `records`. @throws Unreadable */
  read(batch: BatchContext, count: number, start: number, end: number, records: FetchedRecord[]): void {
    this.#at = start;
    for (let i = 0; i < count; i++) records.push(this.#record(batch, end));
  }

  /** Source: Kafka documentation, "Record". */
  #record(batch: BatchContext, limit: number): FetchedRecord {
    const end = this.#end(this.#varint(), limit);
    this.#at++; // attributes: none are defined
    const timestampDelta = this.#varlong();
    const offset = batch.firstOffset + this.#varint();
    const key = this.#key(end);
    const value = this.#value(end);
    const headers = this.#headers(end);
    if (this.#at > end) throw new Unreadable('a record');
    this.#at = end;
    const timestamp = batch.logAppendTime ?? batch.firstTimestamp + timestampDelta;
    return new FetchedRecord(offset, timestamp, { key, value, headers }, batch);
  }

  #key(limit: number): Buffer | string | null {
    const length = this.#varint();
    if (length === -1) return null;
    const start = this.#at;
    this.#at = this.#end(length, limit);
    return this.#text(start, this.#at);
  }

  /** Its own bytes: one record that waits would otherwise keep the whole fetch response in memory. */
  #value(limit: number): Buffer | null {
    const length = this.#varint();
    if (length === -1) return null;
    const start = this.#at;
    this.#at = this.#end(length, limit);
    const value = Buffer.allocUnsafe(length);
    this.#data.copy(value, 0, start, this.#at);
    return value;
  }

  #headers(limit: number): Record<string, HeaderValue> {
    const count = this.#varint();
    const start = this.#at;
    if (count === this.#seen.length) {
      const headers = this.#headersLikeSeen(limit);
      if (headers) return headers;
    }
    this.#at = start;
    return this.#newHeaders(count, limit);
  }

  /** The headers of the record before, with the values that differ; null when a name does. */
  #headersLikeSeen(limit: number): Record<string, HeaderValue> | null {
    const headers = { ...this.#seenHeaders };
    for (const header of this.#seen) {
      const nameBytes = this.#varint();
      const nameAt = this.#at;
      if (nameBytes !== header.nameBytes || !this.#isSame(nameAt, header.nameAt, nameBytes, limit)) return null;
      header.nameAt = nameAt;
      this.#at += nameBytes;
      const valueBytes = this.#varint();
      const valueAt = this.#at;
      if (valueBytes !== header.valueBytes || !this.#isSame(valueAt, header.valueAt, valueBytes, limit)) {
        headers[header.name] = this.#headerValue(valueBytes, limit);
        header.valueBytes = valueBytes;
      } else if (valueBytes > 0) {
        this.#at += valueBytes;
      }
      header.valueAt = valueAt;
    }
    this.#seenHeaders = headers;
    return headers;
  }

  #newHeaders(count: number, limit: number): Record<string, HeaderValue> {
    const headers: Record<string, HeaderValue> = {};
    const seen: SeenHeader[] = [];
    let isUsual = true;
    for (let i = 0; i < count; i++) {
      const nameBytes = this.#varint();
      const nameAt = this.#at;
      this.#at = this.#end(nameBytes, limit);
      const name = this.#data.toString('utf8', nameAt, this.#at);
      const valueBytes = this.#varint();
      const valueAt = this.#at;
      const value = this.#headerValue(valueBytes, limit);
      if (name in headers) {
        isUsual = false;
        addHeader(headers, name, value);
      } else {
        headers[name] = value;
      }
      seen.push({ name, nameAt, nameBytes, valueAt, valueBytes });
    }
    this.#seen = isUsual ? seen : [];
    this.#seenHeaders = isUsual ? headers : {};
    return headers;
  }

  #headerValue(length: number, limit: number): HeaderValue {
    if (length === -1) return null;
    const start = this.#at;
    this.#at = this.#end(length, limit);
    return this.#text(start, this.#at);
  }

  /** ASCII as a string, which says the same and costs less than a view; other bytes as they are. */
  #text(start: number, end: number): Buffer | string {
    const data = this.#data;
    for (let i = start; i < end; i++) if (data[i]! > 0x7f) return data.subarray(start, end);
    return data.toString('latin1', start, end);
  }

  #isSame(at: number, other: number, length: number, limit: number): boolean {
    if (at + length > limit) return false;
    const data = this.#data;
    for (let i = 0; i < length; i++) if (data[at + i] !== data[other + i]) return false;
    return true;
  }

  /** Where `length` bytes from here end. */
  #end(length: number, limit: number): number {
    const end = this.#at + length;
    if (length < 0 || end > limit) throw new Unreadable('a length');
    return end;
  }

  /** Zigzag, up to 32 bits. */
  #varint(): number {
    const data = this.#data;
    let byte = data[this.#at++]!;
    if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
    let bits = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      byte = data[this.#at++]!;
      bits |= (byte & 0x7f) << shift;
    }
    return (bits >>> 1) ^ -(bits & 1);
  }

  /** Zigzag, up to 64 bits; exact up to 2^52, which no time in milliseconds reaches. */
  #varlong(): number {
    let bits = 0;
    let factor = 1;
    let byte: number;
    do {
      byte = this.#data[this.#at++]!;
      bits += (byte & 0x7f) * factor;
      factor *= 128;
    } while (byte >= 0x80);
    return bits % 2 === 0 ? bits / 2 : -(bits + 1) / 2;
  }
}

/** A name that stands there twice has an array; one that JavaScript knows of every object is a header like any other. */
function addHeader(headers: Record<string, HeaderValue>, name: string, value: HeaderValue): void {
  const all = Object.hasOwn(headers, name) ? ([headers[name], value].flat() as HeaderValue) : value;
  Object.defineProperty(headers, name, { value: all, enumerable: true, configurable: true, writable: true });
}
