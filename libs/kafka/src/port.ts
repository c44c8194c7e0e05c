// What the rest of Waybill knows about Kafka: produce, consume, commit, assignment, administration. No word of kafkajs.
import type { KafkaFault, KafkaFaultCode } from './fault.ts';

/** The part of a pino logger that is used here; pino's own satisfies it. */
export interface KafkaLogger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface KafkaClient {
  producer(options?: ProducerOptions): LogProducer;
  consumer(options: ConsumerOptions): LogConsumer;
  admin(): LogAdmin;
}

/** Whether a process may call itself ready; `reason` is for people. */
export type ConnectionState = { ready: true } | { ready: false; reason: string };

export type HeaderValue = string | Buffer | null | (string | Buffer | null)[] | undefined;

export interface ProducedRecord {
  topic: string;
  partition: number;
  key: string | Buffer | null;
  value: Buffer | null;
  headers: Record<string, string | Buffer>;
}

export interface ProducerOptions {
  /** Bound on one `send`, connecting included. 15,000 by default. */
  sendTimeoutMs?: number;
  /**
   * Records for one partition beyond this many bytes go in further requests, in order. Kafka's limit
   * (`max.message.bytes`, 1 MiB by default) is on the *batch* of a partition, not on a record. 768 KiB by default.
   */
  maxBatchBytes?: number;
}

export interface LogProducer {
  /** Optional: `send` connects by itself. @throws KafkaFault */
  connect(): Promise<void>;
  /**
   * Resolves when every record is acknowledged by all in-sync replicas. Records of one partition are appended in the
   * given order. @throws KafkaFault when any record was not acknowledged in time; others may have been appended, so a
   * retry of the whole batch may repeat a suffix, never reorder it. With `tooLarge`, `record` is the one refused.
   */
  send(records: readonly ProducedRecord[]): Promise<void>;
  /** Ready while connected and the last call succeeded. After the last connection is lost it reconnects by itself. */
  state(): ConnectionState;
  disconnect(): Promise<void>;
}

export interface TopicPartition {
  topic: string;
  partition: number;
}

/** `offset` is the next one to read: last done + 1. A number is exact up to 2^53, which no log reaches. */
export interface CommitOffset extends TopicPartition {
  offset: number;
}

export interface ConsumedRecord {
  offset: number;
  /**
   * Keys and headers in ASCII are strings. Others are views on the whole fetch response (up to 1 MiB): copy or decode
   * them, don't keep them.
   */
  key: Buffer | string | null;
  /** A copy: may be kept. */
  value: Buffer | null;
  headers: Record<string, HeaderValue>;
  /** Wall ms since 1970, by the producer's clock. */
  timestampMs: number;
}

export interface RecordBatch extends TopicPartition {
  records: ConsumedRecord[];
  /** The offset that the next appended record will get. */
  highWatermark: number;
}

export interface ConsumerHandlers {
  /**
   * Must settle fast: Kafka is not read further until every handler of a fetch has settled, and heartbeats wait too.
   * The position has moved on when it resolves; when it rejects, the batch comes again.
   */
  onBatch(batch: RecordBatch): Promise<void> | void;
  /**
   * After every (re)join, before any record of that assignment: the full set of partition numbers, the same for all
   * topics. Reading resumes at the committed offsets even for partitions that were kept: ignore offsets you know.
   */
  onAssignment(partitions: readonly number[]): void;
  /** The member lost its connection, its session or its assignment; it is joining again by itself. */
  onFault?(fault: KafkaFault): void;
}

export interface ConsumerOptions {
  groupId: string;
  topics: readonly string[];
  /** Every topic must have this many partitions, else `partition_count_mismatch`. */
  expectedPartitions?: number;
  /** Bytes per partition in one fetch. 256 KiB by default; a single larger record still comes. */
  maxBytesPerPartition?: number;
  /** Bytes in one fetch from one broker. 1 MiB by default: about 10 ms of decoding. */
  maxBytesPerFetch?: number;
  /** 10,000 by default; a member that dies is missed after this time. */
  sessionTimeoutMs?: number;
  /** 1,000 by default; also how soon a member hears of a rebalance. */
  heartbeatIntervalMs?: number;
  /** 15,000 by default; how long a rebalance waits for members that are alive but slow. */
  rebalanceTimeoutMs?: number;
  /**
   * Least time from one fetch with records to the next one; 2 by default, ten times as long while a fetch brings 16
   * records or more. Under load it makes a few large fetches of many small ones.
   */
  minFetchIntervalMs?: number;
}

export type CommitResult =
  | { kind: 'committed'; skipped: readonly CommitOffset[] }
  /** Nothing was written: none of the partitions is assigned to this member. */
  | { kind: 'not_assigned' }
  /** Nothing is known to be written; try again after the next assignment or flush. */
  | { kind: 'failed'; fault: KafkaFault };

export type ConsumerPhase = 'stopped' | 'joining' | 'consuming' | 'waiting';

export type ConsumerState = ConnectionState & {
  phase: ConsumerPhase;
  partitions: readonly number[];
  /** The latest fault that was not followed by a successful join. */
  fault: { code: KafkaFaultCode; message: string } | null;
};

export interface LogConsumer {
  /** Returns at once; joins, and joins again after any fault, until `stop()`. */
  start(handlers: ConsumerHandlers): void;
  /** Never throws. Offsets of partitions that are not assigned are left out and listed in `skipped`. */
  commit(offsets: readonly CommitOffset[]): Promise<CommitResult>;
  /** Survives rejoins while the partition stays assigned; a partition that was lost comes back unpaused. */
  pause(topic: string, partitions: readonly number[]): void;
  /** Takes effect within 100 ms. */
  resume(topic: string, partitions: readonly number[]): void;
  /** Records between the position and the high watermark of the last fetch; a paused partition's watermark stands still. */
  lag(): Map<string, number>;
  state(): ConsumerState;
  /** Leaves and joins again: reading resumes at the committed offsets. For when what was read is lost from memory. */
  rejoin(reason: string): void;
  /** Leaves the group, so that others take over at once; flush and commit before, nothing can be committed after. */
  stop(): Promise<void>;
}

export interface TopicSettings {
  name: string;
  partitions: number;
  /** `auto`: three, or as many brokers as there are. */
  replicationFactor: number | 'auto';
  /** Kafka topic settings, e.g. `retention.ms`; added to those that durability demands. */
  config?: Readonly<Record<string, string>>;
}

export interface OffsetRange {
  low: number;
  high: number;
}

export interface LogAdmin {
  /** Null for a topic that does not exist. @throws KafkaFault */
  topicPartitionCounts(topics: readonly string[]): Promise<Map<string, number | null>>;
  brokerCount(): Promise<number>;
  /** False when it is there already. @throws KafkaFault */
  createTopic(topic: {
    name: string;
    partitions: number;
    replicationFactor: number;
    config: Readonly<Record<string, string>>;
  }): Promise<boolean>;
  deleteTopics(topics: readonly string[]): Promise<void>;
  /** Forgets the group's offsets. @throws KafkaFault while it has members */
  deleteGroup(groupId: string): Promise<void>;
  /** Per partition number, the offset that the next record will get. */
  highWatermarks(topic: string): Promise<Map<number, number>>;
  /** Per partition number, the first offset that is still there and the one that the next record will get. @throws KafkaFault */
  offsetRanges(topic: string): Promise<Map<number, OffsetRange>>;
  /** Per partition number; null where the group has committed nothing. */
  committedOffsets(groupId: string, topic: string): Promise<Map<number, number | null>>;
  disconnect(): Promise<void>;
}
