// Writes the fields of a Kafka request into one buffer, with its header in front.

/** Kept free in front of the body. */
const HEADER_ROOM = 128;
/** Size, API key and version, correlation id, and the length of the client's name. */
const FIXED_HEADER_BYTES = 14;

export interface RequestHeader {
  apiKey: number;
  apiVersion: number;
  correlationId: number;
  clientId: string;
}

/** Stands for an encoder of kafkajs, as what a request's `encode` gives. */
export class RequestWriter {
  readonly data: Buffer;
  at = HEADER_ROOM;

  /** `bytes`: at least as many as will be written. */
  constructor(bytes: number) {
    this.data = Buffer.allocUnsafe(HEADER_ROOM + bytes);
  }

  get buf(): Buffer {
    return this.data;
  }

  /** What was written: the request's body. */
  get buffer(): Buffer {
    return this.data.subarray(HEADER_ROOM, this.at);
  }

  /** The request as it is sent, its body where it lies; null where the client's name leaves no room. Source: Kafka protocol guide, "Request Header v1". */
  framed({ apiKey, apiVersion, correlationId, clientId }: RequestHeader): Buffer | null {
    const nameBytes = Buffer.byteLength(clientId);
    const start = HEADER_ROOM - FIXED_HEADER_BYTES - nameBytes;
    if (start < 0) return null;
    const end = this.at;
    this.at = start;
    this.int32(end - start - 4);
    this.int16(apiKey);
    this.int16(apiVersion);
    this.int32(correlationId);
    this.int16(nameBytes);
    this.text(clientId);
    this.at = end;
    return this.data.subarray(start, end);
  }

  int8(value: number): void {
    this.data[this.at++] = value;
  }

  int16(value: number): void {
    this.at = this.data.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.data.writeInt32BE(value, this.at);
  }

  int64(value: bigint): void {
    this.at = this.data.writeBigInt64BE(value, this.at);
  }

  /** Zigzag; -1 means null. */
  varint(value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.data[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.data[this.at++] = rest;
  }

  bytes(value: string | Buffer | null): void {
    if (value === null) return this.varint(-1);
    if (typeof value === 'string') {
      this.varint(Buffer.byteLength(value));
      return this.text(value);
    }
    this.varint(value.length);
    this.at += value.copy(this.data, this.at);
  }

  text(value: string): void {
    const start = this.at;
    // A call into Buffer#write costs more than a short loop, and header names and values are short ASCII.
    if (value.length < 64) {
      let i = 0;
      for (; i < value.length; i++) {
        const unit = value.charCodeAt(i);
        if (unit > 0x7f) break;
        this.data[start + i] = unit;
      }
      if (i === value.length) {
        this.at = start + i;
        return;
      }
    }
    this.at = start + this.data.write(value, start);
  }
}
