// The relay's table of contents, in the order in which an event meets it.
import { randomUUID } from 'node:crypto';
import { Module } from '@nestjs/common';
import { systemClock } from '#clock';
import { loadConfig } from '#config';
import { createPool, type Pool } from '#database';
import { deliveryGroupId } from '#deliveries';
import { createKafka, type KafkaClient, type LogAdmin, type LogProducer } from '#kafka';
import { findOldestPending } from '#outbox';
import { SchemaIds } from '#schema-registry';
import { createLogger, createMetrics, type Logger, type Registry, version } from '#telemetry';
import type { Service } from '#worker';
import { type RelayConfig, relayConfigSchema } from './config.ts';
import { GapHealer } from './gap-healer.ts';
import { logProgressOf } from './log-progress.ts';
import { createRelayMetrics, type RelayMetrics } from './metrics.ts';
import { Reconciler } from './reconciler.ts';
import { Relay } from './relay.ts';
import { Republisher } from './republisher.ts';
import { createServices } from './services.ts';
import { sessionsOf } from './session.ts';

export const CONFIG = Symbol('config');
export const LOGGER = Symbol('logger');
export const SERVICES = Symbol('services');
const REGISTRY = Symbol('metrics registry');
const METRICS = Symbol('metrics');
const POOL = Symbol('pool');
const KAFKA = Symbol('kafka');
const PRODUCER = Symbol('producer');
const SCHEMA_IDS = Symbol('schema ids');
const ADMIN = Symbol('kafka admin');
const HOLDER = Symbol('holder of shards: random per process start');
const RELAY = Symbol('relay');
const REPUBLISHER = Symbol('republisher');
const RECONCILER = Symbol('reconciler');
const GAP_HEALER = Symbol('gap healer');

@Module({
  providers: [
    { provide: CONFIG, useFactory: () => loadConfig('outbox-relay', relayConfigSchema) },
    {
      provide: LOGGER,
      useFactory: (config: RelayConfig) => createLogger('outbox-relay', config.log.level),
      inject: [CONFIG],
    },
    { provide: REGISTRY, useFactory: () => createMetrics('outbox-relay', version) },
    {
      provide: POOL,
      useFactory: (config: RelayConfig, logger: Logger) =>
        createPool({
          url: config.database.url,
          max: config.database.connections,
          applicationName: 'waybill-outbox-relay',
          genericPlans: true,
          onIdleError: (error) => logger.warn({ error }, 'a database connection broke'),
        }),
      inject: [CONFIG, LOGGER],
    },
    {
      provide: SCHEMA_IDS,
      useFactory: (config: RelayConfig) => new SchemaIds(config.schemaRegistry.url, `${config.topics.prefix}.events`),
      inject: [CONFIG],
    },
    {
      provide: KAFKA,
      useFactory: (config: RelayConfig, logger: Logger) =>
        createKafka({ ...config.kafka, clientId: 'waybill-outbox-relay', logger }),
      inject: [CONFIG, LOGGER],
    },
    { provide: PRODUCER, useFactory: (kafka: KafkaClient) => kafka.producer(), inject: [KAFKA] },
    { provide: ADMIN, useFactory: (kafka: KafkaClient) => kafka.admin(), inject: [KAFKA] },
    { provide: HOLDER, useFactory: () => randomUUID() },
    {
      provide: METRICS,
      useFactory: (registry: Registry, pool: Pool) => createRelayMetrics(registry, () => findOldestPending(pool)),
      inject: [REGISTRY, POOL],
    },
    {
      provide: RELAY,
      useFactory: (holder: string, pool: Pool, logger: Logger, metrics: RelayMetrics) =>
        new Relay(
          { holder, leaseMs: 6_000, pageSize: 500, busyIntervalMs: 4, idleIntervalMs: 50 },
          { sessions: sessionsOf(pool), clock: systemClock, logger, metrics },
        ),
      inject: [HOLDER, POOL, LOGGER, METRICS],
    },
    {
      provide: REPUBLISHER,
      useFactory: (holder: string, outbox: Pool, logger: Logger, metrics: RelayMetrics) =>
        new Republisher(holder, { outbox, logger, metrics }),
      inject: [HOLDER, POOL, LOGGER, METRICS],
    },
    {
      provide: RECONCILER,
      useFactory: (
        config: RelayConfig,
        holder: string,
        pool: Pool,
        admin: LogAdmin,
        logger: Logger,
        metrics: RelayMetrics,
      ) => {
        const { prefix } = config.topics;
        return new Reconciler(
          { holder, afterMs: config.reconciliation.afterMs },
          {
            outbox: pool,
            deliveries: pool,
            logProgress: logProgressOf(admin, deliveryGroupId(prefix), `${prefix}.events`),
            clock: systemClock,
            logger,
            metrics,
          },
        );
      },
      inject: [CONFIG, HOLDER, POOL, ADMIN, LOGGER, METRICS],
    },
    {
      provide: GAP_HEALER,
      useFactory: (holder: string, pool: Pool, logger: Logger, metrics: RelayMetrics) =>
        new GapHealer({ holder }, { outbox: pool, deliveries: pool, clock: systemClock, logger, metrics }),
      inject: [HOLDER, POOL, LOGGER, METRICS],
    },
    {
      provide: SERVICES,
      useFactory: (
        config: RelayConfig,
        logger: Logger,
        registry: Registry,
        pool: Pool,
        schemaIds: SchemaIds,
        kafka: KafkaClient,
        admin: LogAdmin,
        producer: LogProducer,
        metrics: RelayMetrics,
        relay: Relay,
        republisher: Republisher,
        reconciler: Reconciler,
        gapHealer: GapHealer,
      ): Service[] =>
        createServices({
          config,
          logger,
          registry,
          pool,
          schemaIds,
          kafka,
          admin,
          producer,
          metrics,
          relay,
          republisher,
          reconciler,
          gapHealer,
        }),
      inject: [
        CONFIG,
        LOGGER,
        REGISTRY,
        POOL,
        SCHEMA_IDS,
        KAFKA,
        ADMIN,
        PRODUCER,
        METRICS,
        RELAY,
        REPUBLISHER,
        RECONCILER,
        GAP_HEALER,
      ],
    },
  ],
})
export class OutboxRelayModule {}
