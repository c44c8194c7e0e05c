// The consumer's table of contents, in the order in which an event meets it.
import { randomUUID } from 'node:crypto';
import { Module } from '@nestjs/common';
import { systemClock } from '#clock';
import { loadConfig } from '#config';
import { createPool, type Pool } from '#database';
import { deliveryGroupId } from '#deliveries';
import { SecretBox } from '#endpoints';
import { AddressGuard, HttpSender } from '#http-delivery';
import { createKafka, type KafkaClient, type LogConsumer, type LogProducer } from '#kafka';
import { createLineLogger, createLogger, createMetrics, type Logger, type Registry, version } from '#telemetry';
import { createDeliveryStore, createEndpointSource, createLog } from './adapters.ts';
import { createBusyMeter } from './busy-meter.ts';
import { type ConsumerConfig, consumerConfigSchema } from './config.ts';
import { defaultDispatcherOptions } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import { LogTransport } from './log-transport.ts';
import { createConsumerGauges, createConsumerMetrics } from './metrics.ts';
import { RecordsController } from './records.controller.ts';
import { createServices } from './services.ts';
import {
  CONFIG,
  CONSUMER,
  DISPATCHER,
  KAFKA,
  LOGGER,
  POOL,
  PRODUCER,
  REGISTRY,
  SENDER,
  SERVICES,
  TRANSPORT,
} from './tokens.ts';

const NAME = 'delivery-consumer';

@Module({
  controllers: [RecordsController],
  providers: [
    { provide: CONFIG, useFactory: () => loadConfig(NAME, consumerConfigSchema) },
    { provide: LOGGER, useFactory: (config: ConsumerConfig) => createLogger(NAME, config.log.level), inject: [CONFIG] },
    { provide: REGISTRY, useFactory: () => createMetrics(NAME, version) },
    {
      provide: POOL,
      useFactory: (config: ConsumerConfig, logger: Logger) =>
        createPool({
          url: config.database.url,
          max: config.database.connections,
          applicationName: `waybill-${NAME}`,
          genericPlans: true,
          onIdleError: (error) => logger.warn({ error }, 'a database connection broke'),
        }),
      inject: [CONFIG, LOGGER],
    },
    {
      provide: KAFKA,
      useFactory: (config: ConsumerConfig, logger: Logger) =>
        createKafka({ ...config.kafka, clientId: `waybill-${NAME}`, logger }),
      inject: [CONFIG, LOGGER],
    },
    {
      provide: CONSUMER,
      useFactory: ({ topics }: ConsumerConfig, kafka: KafkaClient) =>
        kafka.consumer({
          groupId: deliveryGroupId(topics.prefix),
          topics: [`${topics.prefix}.events`, `${topics.prefix}.retry`],
          expectedPartitions: topics.partitions,
        }),
      inject: [CONFIG, KAFKA],
    },
    { provide: PRODUCER, useFactory: (kafka: KafkaClient) => kafka.producer(), inject: [KAFKA] },
    {
      provide: SENDER,
      useFactory: ({ targets }: ConsumerConfig) =>
        new HttpSender({ guard: new AddressGuard(targets), userAgent: `Waybill/${version}` }),
      inject: [CONFIG],
    },
    {
      provide: DISPATCHER,
      useFactory: (
        config: ConsumerConfig,
        logger: Logger,
        registry: Registry,
        pool: Pool,
        consumer: LogConsumer,
        producer: LogProducer,
        sender: HttpSender,
      ) => {
        const dispatcher = new Dispatcher(
          { ...defaultDispatcherOptions, ...config.delivery, topicPrefix: config.topics.prefix },
          {
            store: createDeliveryStore(pool, randomUUID(), systemClock),
            endpoints: createEndpointSource(pool, new SecretBox(config.encryption.masterKeys)),
            log: createLog(consumer, producer, `${config.topics.prefix}.events`),
            sender,
            clock: systemClock,
            random: Math.random,
            logger,
            attemptLogger: createLineLogger(NAME, config.log.level),
            metrics: createConsumerMetrics(registry),
            isBusy: createBusyMeter(),
            topicPartitions: config.topics.partitions,
          },
        );
        createConsumerGauges(registry, dispatcher, consumer);
        return dispatcher;
      },
      inject: [CONFIG, LOGGER, REGISTRY, POOL, CONSUMER, PRODUCER, SENDER],
    },
    {
      provide: TRANSPORT,
      useFactory: (consumer: LogConsumer, dispatcher: Dispatcher) =>
        new LogTransport(consumer, () => dispatcher.drain()),
      inject: [CONSUMER, DISPATCHER],
    },
    {
      provide: SERVICES,
      useFactory: (
        config: ConsumerConfig,
        logger: Logger,
        registry: Registry,
        pool: Pool,
        kafka: KafkaClient,
        consumer: LogConsumer,
        producer: LogProducer,
        sender: HttpSender,
        dispatcher: Dispatcher,
      ) => createServices({ config, logger, registry, pool, kafka, consumer, producer, sender, dispatcher }),
      inject: [CONFIG, LOGGER, REGISTRY, POOL, KAFKA, CONSUMER, PRODUCER, SENDER, DISPATCHER],
    },
  ],
})
export class DeliveryConsumerModule {}
