// What the consumer starts, in order, before the log is read, and stops in the opposite order after it is left.
import { systemClock } from '#clock';
import type { Pool } from '#database';
import { dropOldHistory, ensureDeliveryPartitions, getTopicPartitions } from '#deliveries';
import type { HttpSender } from '#http-delivery';
import { type KafkaClient, type LogConsumer, type LogProducer, requirePartitions } from '#kafka';
import { type Logger, type ManagementServer, type Registry, startManagementServer } from '#telemetry';
import { Loop, retryForever, type Service } from '#worker';
import type { ConsumerConfig } from './config.ts';
import type { Dispatcher } from './dispatcher.ts';

const UPKEEP_EVERY_MS = 3_600_000;

interface Parts {
  config: ConsumerConfig;
  logger: Logger;
  registry: Registry;
  pool: Pool;
  kafka: KafkaClient;
  consumer: LogConsumer;
  producer: LogProducer;
  sender: HttpSender;
  dispatcher: Dispatcher;
}

export function createServices(parts: Parts): Service[] {
  const { config, logger, registry, pool, producer, sender, dispatcher } = parts;
  const clock = systemClock;
  let startFault: string | null = 'starting';
  const loop = (name: string, runOnce: () => Promise<{ nextInMs: number }>) =>
    new Loop({ name, runOnce, clock, logger });
  const flush = loop('flush', () => dispatcher.flush());
  const tend = loop('tend', () => dispatcher.tend());
  const watch = loop('watch', () => Promise.resolve(dispatcher.watch()));
  const upkeep = loop('history upkeep', async () => {
    const made = await ensureDeliveryPartitions(pool, clock.now());
    const dropped = await dropOldHistory(pool, config.retention.historyDays, clock.now());
    if (made.length + dropped.length > 0) logger.info({ made, dropped }, 'history partitions');
    return { nextInMs: UPKEEP_EVERY_MS };
  });
  const health = {
    live: () => true,
    ready: () => readiness([startFault, flush.fault?.description, tend.fault?.description], parts),
  };
  let server: ManagementServer | undefined;
  return [
    {
      name: 'management server',
      start: async () => void (server = await startManagementServer({ ...config.management, registry, health })),
      stop: () => server?.close(),
    },
    { name: 'database pool', stop: () => pool.end() },
    { name: 'kafka producer', stop: () => producer.disconnect() },
    { name: 'http sender', stop: () => sender.close() },
    {
      name: 'delivery database',
      start: async (signal) => {
        const onFailure = (description: string) => (startFault = description);
        await retryForever('the delivery database', () => prepare(parts), { logger, signal, onFailure });
        await retryForever('the topics', () => checkTopics(parts), { logger, signal, onFailure });
        startFault = null;
      },
      stop: () => undefined,
    },
    ...[watch, flush, tend, upkeep].map((one) => ({
      name: one.name,
      start: () => one.start(),
      stop: () => one.stop(),
    })),
    { name: 'readiness', stop: () => void (startFault = 'stopping') },
  ];
}

async function prepare({ pool, config, dispatcher }: Parts): Promise<void> {
  const fixed = await getTopicPartitions(pool);
  if (fixed !== config.topics.partitions) {
    const message = `WAYBILL_TOPIC_PARTITIONS is ${config.topics.partitions}, the database was set up for ${fixed}: set it to ${fixed}`;
    throw Object.assign(new Error(message), { retryable: false });
  }
  await dispatcher.prepare();
}

function checkTopics({ kafka, config }: Parts): Promise<void> {
  const { prefix, partitions } = config.topics;
  return requirePartitions(kafka, [`${prefix}.events`, `${prefix}.retry`, `${prefix}.dead-letter`], partitions);
}

function readiness(faults: (string | null | undefined)[], { consumer, dispatcher }: Parts) {
  const state = consumer.state();
  const waiting = dispatcher.waitingPartitions;
  const reasons = [
    ...faults,
    state.ready ? null : state.reason,
    waiting.length > 0 ? `waiting for the leases of partitions ${waiting.join(', ')}` : null,
  ].filter((reason) => typeof reason === 'string');
  return { ready: reasons.length === 0, reasons };
}
