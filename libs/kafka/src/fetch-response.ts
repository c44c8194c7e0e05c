// Decodes a Kafka Fetch response (version 11) in one pass, without the partitions that have nothing to tell.
import { type BatchContext, type FetchedRecord, RecordReader, Unreadable } from './record-reader.ts';

export interface FetchedPartition {
  partition: number;
  errorCode: number;
  highWatermark: number;
  lastStableOffset: number;
  lastStartOffset: number;
  abortedTransactions: { producerId: string; firstOffset: number }[];
  preferredReadReplica: number;
  messages: FetchedRecord[];
}

export interface FetchResponse {
  throttleTime: number;
  clientSideThrottleTime: number;
  errorCode: number;
  sessionId: number;
  responses: { topicName: string; partitions: FetchedPartition[] }[];
}

/** From the base offset up to the length, which counts what follows it. */
const BATCH_PREFIX_BYTES = 12;
/** From the base offset to the records: the fixed part of a record batch of magic 2. */
const BATCH_HEADER_BYTES = 61;
const MAGIC = 2;
const COMPRESSION = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const NO_READ_REPLICA = -1;

/**
 * Null for what is not read here: compressed records, formats before Kafka 0.11, and bytes that make no sense. A record
 * batch that the response's size limit has cut off is left out: it is fetched again.
 * Source: Kafka protocol guide, "Fetch API" and "Record Batch". Checksums are left to TCP, as kafkajs does.
 */
export function decodeFetchResponse(data: Buffer): FetchResponse | null {
  try {
    return new ResponseReader(data).read();
  } catch (error) {
    // RangeError: a number beyond the end of the bytes.
    if (error instanceof Unreadable || error instanceof RangeError) return null;
    throw error;
  }
}

class ResponseReader {
  readonly #data: Buffer;
  readonly #records: RecordReader;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
    this.#records = new RecordReader(data);
  }

  read(): FetchResponse {
    const clientSideThrottleTime = this.#int32();
    const errorCode = this.#int16();
    const sessionId = this.#int32();
    const responses: FetchResponse['responses'] = [];
    for (let topics = this.#int32(); topics > 0; topics--) {
      const topicName = this.#string();
      const partitions: FetchedPartition[] = [];
      for (let count = this.#int32(); count > 0; count--) {
        const partition = this.#partition();
        if (hasNews(partition)) partitions.push(partition);
      }
      if (partitions.length > 0) responses.push({ topicName, partitions });
    }
    // The time that the broker wants to be left alone is not a time that it has already held the response back.
    return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
  }

  #partition(): FetchedPartition {
    const partition = this.#int32();
    const errorCode = this.#int16();
    const highWatermark = this.#int64();
    const lastStableOffset = this.#int64();
    const lastStartOffset = this.#int64();
    const abortedTransactions: FetchedPartition['abortedTransactions'] = [];
    for (let count = this.#int32(); count > 0; count--) {
      abortedTransactions.push({ producerId: this.#producerId(), firstOffset: this.#int64() });
    }
    const preferredReadReplica = this.#int32();
    const bytes = this.#int32();
    const end = this.#at + Math.max(bytes, 0);
    if (end > this.#data.length) throw new Unreadable('a record set');
    const messages: FetchedRecord[] = [];
    while (this.#at + BATCH_HEADER_BYTES <= end && this.#batch(end, messages));
    this.#at = end;
    return {
      partition,
      errorCode,
      highWatermark,
      lastStableOffset,
      lastStartOffset,
      abortedTransactions,
      preferredReadReplica,
      messages,
    };
  }

  /** False when the batch is cut off. */
  #batch(limit: number, messages: FetchedRecord[]): boolean {
    const start = this.#at;
    const firstOffset = this.#int64();
    const end = start + BATCH_PREFIX_BYTES + this.#int32();
    this.#at += 4; // leader epoch
    if (this.#data[this.#at++] !== MAGIC) throw new Unreadable('an older format');
    if (end > limit) return false;
    this.#at += 4; // checksum
    const attributes = this.#int16();
    if ((attributes & COMPRESSION) !== 0) throw new Unreadable('compressed records');
    this.#at += 4; // last offset, counted from the first
    const firstTimestamp = this.#int64();
    const maxTimestamp = this.#int64();
    const producerId = this.#producerId();
    this.#at += 6; // producer epoch, first sequence
    const batch: BatchContext = {
      firstOffset,
      firstTimestamp,
      logAppendTime: (attributes & LOG_APPEND_TIME) === 0 ? null : maxTimestamp,
      producerId,
      inTransaction: (attributes & TRANSACTIONAL) !== 0,
      isControlBatch: (attributes & CONTROL) !== 0,
    };
    const count = this.#int32();
    this.#records.read(batch, count, this.#at, end, messages);
    this.#at = end;
    return true;
  }

  #int16(): number {
    this.#at += 2;
    return this.#data.readInt16BE(this.#at - 2);
  }

  #int32(): number {
    this.#at += 4;
    return this.#data.readInt32BE(this.#at - 4);
  }

  /** Exact up to 2^53, which no offset and no time reaches. */
  #int64(): number {
    const high = this.#int32();
    this.#at += 4;
    return high * 2 ** 32 + this.#data.readUInt32BE(this.#at - 4);
  }

  /** As text, by which kafkajs compares it; any 64 bits. */
  #producerId(): string {
    this.#at += 8;
    return String(this.#data.readBigInt64BE(this.#at - 8));
  }

  #string(): string {
    const length = this.#int16();
    if (length < 0) throw new Unreadable('a name');
    const start = this.#at;
    this.#at += length;
    return this.#data.toString('utf8', start, this.#at);
  }
}

/** kafkajs does nothing with the others but to pass each through its workers, which costs more than decoding a record. */
function hasNews({ messages, errorCode, preferredReadReplica }: FetchedPartition): boolean {
  return messages.length > 0 || errorCode !== 0 || preferredReadReplica !== NO_READ_REPLICA;
}
