// Writes the fields of a Kafka request into one buffer.

export class RequestWriter {
  readonly data: Buffer;
  at = 0;

  /** `bytes`: at least as many as will be written. */
  constructor(bytes: number) {
    this.data = Buffer.allocUnsafe(bytes);
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
