// Front door of kafka: produce, consume, commit, assignment and topics, with faults that say whether to retry.
export { createKafka } from './client.ts';
export type { KafkaSettings } from './link.ts';
export { KafkaFault, type KafkaFaultCode, TransportFaults } from './fault.ts';
export { RecordTooLarge } from './producer.ts';
export { partitionFor } from './murmur2.ts';
export { ensureTopics, type EnsureTopicsOptions, requirePartitions } from './topics.ts';
export type {
  CommitOffset,
  CommitResult,
  ConnectionState,
  ConsumedRecord,
  ConsumerHandlers,
  ConsumerOptions,
  ConsumerState,
  HeaderValue,
  KafkaClient,
  KafkaLogger,
  LogAdmin,
  LogConsumer,
  LogProducer,
  OffsetRange,
  ProducedRecord,
  ProducerOptions,
  RecordBatch,
  TopicPartition,
  TopicSettings,
} from './port.ts';
