// Writes the fields of a Kafka request into one buffer, with its header in front.

/** Kept free in front of the body. */
const HEADER_ROOM = 128;
/** Size, API key and version, correlation id, and the length of the client's name. */
const FIXED_HEADER_BYTES = 14;
/** Of a text shorter than this, the length is one byte. A call out of JavaScript costs more than a loop over so few. */
const SHORT_TEXT = 64;

export interface RequestHeader {
  apiKey: number;
  apiVersion: number;
  correlationId: number;
  clientId: string;
}

/** Stands for an encoder of kafkajs, as what a request's `encode` gives. */
export class RequestWriter {
  /** Replaced by a larger one in `makeRoom`. */
  buf: Buffer;
  at = HEADER_ROOM;

  /** Writes into `memory`, or into a buffer with room for `bytes`. */
  constructor(memory: number | Buffer) {
    this.buf = typeof memory === 'number' ? Buffer.allocUnsafe(HEADER_ROOM + memory) : memory;
  }

  /** What was written: the request's body. */
  get buffer(): Buffer {
    return this.buf.subarray(HEADER_ROOM, this.at);
  }

  /**
   * The request as it is sent, its body where it lies; null where the client's name leaves no room.
   * Source: Kafka protocol guide, "Request Header v1".
   */
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
    return this.buf.subarray(start, end);
  }

  /** Call before writing more than the constructor was told of. */
  makeRoom(bytes: number): void {
    const wanted = this.at + bytes;
    if (wanted <= this.buf.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(2 * this.buf.length, wanted));
    this.buf.copy(larger, 0, 0, this.at);
    this.buf = larger;
  }

  int8(value: number): void {
    this.buf[this.at++] = value;
  }

  int16(value: number): void {
    this.at = this.buf.writeInt16BE(value, this.at);
  }

  int32(value: number): void {
    this.at = this.buf.writeInt32BE(value, this.at);
  }

  int64(value: bigint): void {
    this.at = this.buf.writeBigInt64BE(value, this.at);
  }

  /** Zigzag; -1 means null. */
  varint(value: number): void {
    let rest = ((value << 1) ^ (value >> 31)) >>> 0;
    while (rest > 0x7f) {
      this.buf[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buf[this.at++] = rest;
  }

  bytes(value: string | Buffer | null): void {
    if (value === null) return this.varint(-1);
    if (typeof value === 'string') {
      if (this.#shortAscii(value, 1)) return;
      this.varint(Buffer.byteLength(value));
      return this.text(value);
    }
    this.varint(value.length);
    this.at += value.copy(this.buf, this.at);
  }

  text(value: string): void {
    if (!this.#shortAscii(value, 0)) this.at += this.buf.write(value, this.at);
  }

  /** Writes a text that is short and ASCII, as most names and values are, behind its length in `prefixBytes`: one or none. */
  #shortAscii(value: string, prefixBytes: 0 | 1): boolean {
    const { length } = value;
    if (length >= SHORT_TEXT) return false;
    const start = this.at + prefixBytes;
    for (let i = 0; i < length; i++) {
      const unit = value.charCodeAt(i);
      if (unit > 0x7f) return false;
      this.buf[start + i] = unit;
    }
    if (prefixBytes === 1) this.buf[this.at] = length << 1;
    this.at = start + length;
    return true;
  }

  /** Begins what its own length in bytes stands in front of, as a varint; returns what `endPrefixed` is to be given. */
  beginPrefixed(): number {
    this.at += USUAL_PREFIX_BYTES;
    return this.at;
  }

  /** What was written is moved where the length takes more bytes than usual, or fewer. Wants room for 3 bytes. */
  endPrefixed(start: number): void {
    const end = this.at;
    const size = end - start;
    this.at = start - USUAL_PREFIX_BYTES;
    const prefixBytes = varintBytes(size);
    if (prefixBytes !== USUAL_PREFIX_BYTES) this.buf.copyWithin(this.at + prefixBytes, start, end);
    this.varint(size);
    this.at += size;
  }
}

/** Of 64 to 8,191 bytes: nearly all records. */
const USUAL_PREFIX_BYTES = 2;

/** Of a number that is not negative, zigzag encoded. */
function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 6; rest !== 0; rest >>>= 7) bytes++;
  return bytes;
}
