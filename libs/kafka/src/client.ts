// Makes the port's producers, consumers and admins out of one set of settings.
import { KafkaJsAdmin } from './admin.ts';
import { KafkaJsConsumer } from './consumer.ts';
import { type KafkaSettings, linkFactory } from './link.ts';
import type { KafkaClient } from './port.ts';
import { KafkaJsProducer } from './producer.ts';

/**
 * Connects to nothing by itself. Each producer, consumer and admin has its own connections (about two sockets per
 * broker), and its own kafkajs instance: consumers that share one share their committed offsets, and break each other.
 */
export function createKafka(settings: KafkaSettings): KafkaClient {
  const links = linkFactory(settings);
  return {
    producer: (options) => new KafkaJsProducer(links, options),
    consumer: (options) => new KafkaJsConsumer(links, options),
    admin: () => new KafkaJsAdmin(links),
  };
}
