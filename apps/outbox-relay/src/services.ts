// What the relay starts, in order, and stops in the opposite order.
import { systemClock } from '#clock';
import type { Pool } from '#database';
import { catalogue } from '#events';
import { type KafkaClient, type LogAdmin, type LogProducer, requirePartitions } from '#kafka';
import { dropPublishedPartitions, ensureOutboxPartitions } from '#outbox';
import type { SchemaIds } from '#schema-registry';
import { type Logger, type ManagementServer, type Registry, startManagementServer } from '#telemetry';
import { Loop, type LoopResult, retryForever, type Service } from '#worker';
import type { RelayConfig } from './config.ts';
import type { GapHealer } from './gap-healer.ts';
import type { RelayMetrics } from './metrics.ts';
import { createPublish } from './publish.ts';
import type { Reconciler } from './reconciler.ts';
import type { Relay } from './relay.ts';
import type { Republisher } from './republisher.ts';

const UPKEEP_EVERY_MS = 3_600_000;

interface Parts {
  config: RelayConfig;
  logger: Logger;
  registry: Registry;
  pool: Pool;
  schemaIds: SchemaIds;
  kafka: KafkaClient;
  admin: LogAdmin;
  producer: LogProducer;
  metrics: RelayMetrics;
  relay: Relay;
  republisher: Republisher;
  reconciler: Reconciler;
  gapHealer: GapHealer;
}

export function createServices(parts: Parts): Service[] {
  const { config, logger, registry, pool, schemaIds, kafka, admin, producer, metrics, relay } = parts;
  const starting = { reason: 'starting' as string | null };
  const loop = (name: string, runOnce: () => Promise<LoopResult>) =>
    new Loop({ name, runOnce, clock: systemClock, logger });
  const pass = loop('relay pass', () => relay.runOnce());
  const healing = [
    loop('republication', () => parts.republisher.runOnce()),
    loop('reconciler', () => parts.reconciler.runOnce()),
    loop('gap healing', () => parts.gapHealer.runOnce()),
  ];
  const upkeep = loop('outbox upkeep', () => runUpkeep(parts));
  const health = {
    live: () => true,
    ready: () => {
      const reasons = [starting.reason, pass.fault?.description].filter(
        (reason): reason is string => typeof reason === 'string',
      );
      return { ready: reasons.length === 0, reasons };
    },
  };
  let server: ManagementServer;
  return [
    {
      name: 'management server',
      start: async () => void (server = await startManagementServer({ ...config.management, registry, health })),
      stop: () => server?.close(),
    },
    { name: 'database pool', stop: () => pool.end() },
    { name: 'kafka producer', stop: () => producer.disconnect() },
    { name: 'kafka admin', stop: () => admin.disconnect() },
    {
      name: 'schema ids',
      start: async (signal) => {
        const onFailure = (description: string) => (starting.reason = description);
        await retryForever('the outbox', () => pool.query('SELECT FROM outbox.shard LIMIT 1'), {
          logger,
          signal,
          onFailure,
        });
        await retryForever('the schema registry', () => loadSchemaIds(schemaIds), { logger, signal, onFailure });
        const topic = `${config.topics.prefix}.events`;
        const { partitions } = config.topics;
        await retryForever('the topics', () => requirePartitions(kafka, [topic], partitions), {
          logger,
          signal,
          onFailure,
        });
        const publish = createPublish({ producer, schemaIds, topic, partitions, metrics });
        relay.publishWith(publish);
        parts.republisher.publishWith(publish);
        starting.reason = null;
      },
      stop: () => undefined,
    },
    {
      name: 'relay',
      start: () => pass.start(),
      stop: async () => {
        await pass.stop();
        await relay.stop();
      },
    },
    ...[...healing, upkeep].map((one) => ({ name: one.name, start: () => one.start(), stop: () => one.stop() })),
  ];
}

/** Every type's id before the first event: a registry that is away later stalls nothing. */
async function loadSchemaIds(schemaIds: SchemaIds): Promise<void> {
  for (const { type } of catalogue) await schemaIds.idFor(type);
  await schemaIds.idFor('a type outside the catalogue');
}

async function runUpkeep({ pool, config, logger }: Parts) {
  const made = await ensureOutboxPartitions(pool, systemClock.now());
  const dropped = await dropPublishedPartitions(pool, config.retention.outboxDays, systemClock.now());
  if (made.length + dropped.length > 0) logger.info({ made, dropped }, 'outbox partitions');
  return { nextInMs: UPKEEP_EVERY_MS };
}
