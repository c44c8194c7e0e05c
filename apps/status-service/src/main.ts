// The status service: API, operator commands and lane metrics. Configuration from the environment only.
import { auditEntities } from '#audit/admin';
import { systemClock } from '#clock';
import { describe, loadConfig } from '#config';
import { createPool, type Pool } from '#database';
import { type DataSource, openDataSource } from '#database/typeorm';
import { SecretBox } from '#endpoints';
import { endpointsEntities } from '#endpoints/admin';
import { AddressGuard } from '#http-delivery';
import { createKafka } from '#kafka';
import {
  createLogger,
  createMetrics,
  type Logger,
  type ManagementServer,
  startManagementServer,
  version,
} from '#telemetry';
import { retryForever, runMain, runUntilSignal, type Service } from '#worker';
import { type Config, configSchema } from './config.ts';
import { createLaneMetrics, createRequestHistogram } from './metrics.ts';
import { requireDatabase, ServiceHealth } from './readiness.ts';
import { RetryTickets } from './retry-tickets.ts';
import { createServer } from './server.ts';
import { Stats } from './stats.ts';

const NAME = 'status-service';
/** A question that takes longer is too broad: the caller is told to narrow it. */
const STATEMENT_TIMEOUT_MS = 10_000;

await runMain(async () => {
  const config = loadConfig(NAME, configSchema);
  const logger = createLogger(NAME, config.log.level);
  logger.info({ config: describe(config) }, 'starting');
  await runUntilSignal(servicesOf(config, logger), { logger, stopTimeoutMs: config.shutdown.timeoutMs });
});

/** In the order of their start; they stop the other way round. */
function servicesOf(config: Config, logger: Logger): Service[] {
  const clock = systemClock;
  const registry = createMetrics(NAME, version);
  const onIdleError = (error: Error) => logger.warn({ error }, 'an idle database connection broke');
  const { url, connections } = config.database;
  const pool = createPool({
    url,
    max: connections,
    applicationName: NAME,
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    onIdleError,
  });
  const producer = createKafka({ ...config.kafka, clientId: NAME, logger }).producer({ sendTimeoutMs: 5_000 });
  const tickets = new RetryTickets({ producer, topicPrefix: config.topics.prefix, clock, logger });
  const stats = new Stats(pool, clock);
  const health = new ServiceHealth(pool, clock, logger);
  createLaneMetrics(registry, () => stats.backlog());
  const requestSeconds = createRequestHistogram(registry);

  const parts = { config, logger, pool, tickets, stats, health, requestSeconds };

  let management: ManagementServer | undefined;
  return [
    {
      name: 'management server',
      start: async () => void (management = await startManagementServer({ ...config.management, registry, health })),
      stop: () => management?.close(),
    },
    { name: 'database pool', stop: () => pool.end() },
    {
      name: 'database',
      start: async (signal) => {
        const onFailure = (reason: string) => health.waiting(`database: ${reason}`);
        await retryForever('reaching the database', () => requireDatabase(pool), { logger, signal, onFailure });
        health.loop.start();
      },
      stop: () => health.loop.stop(),
    },
    {
      name: 'retry tickets',
      stop: async () => {
        await tickets.settled();
        await producer.disconnect();
      },
    },
    apiService(parts),
  ];
}

interface ApiParts {
  config: Config;
  logger: Logger;
  pool: Pool;
  tickets: RetryTickets;
  stats: Stats;
  health: ServiceHealth;
  requestSeconds: ReturnType<typeof createRequestHistogram>;
}

function apiService({ config, logger, pool, tickets, stats, health, requestSeconds }: ApiParts): Service {
  let stopServing = async () => {};
  return {
    name: 'API',
    start: async (signal) => {
      const source = await retryForever('opening the data source', () => openSource(config), { logger, signal });
      const secretBox = new SecretBox(config.encryption.masterKeys);
      const urlGuard = new AddressGuard(config.targets);
      const { adminToken } = config.access;
      const app = await createServer(
        { version, adminToken, clock: systemClock, logger, pool, source, secretBox, urlGuard, tickets, stats },
        requestSeconds,
      );
      stopServing = async () => {
        await app.close();
        await source.destroy();
      };
      await app.listen(config.http.port, config.http.host);
      health.serving();
      logger.info({ address: await app.getUrl() }, 'serving the API');
    },
    stop: async () => {
      health.waiting('stopping');
      await stopServing();
    },
  };
}

function openSource({ database }: Config): Promise<DataSource> {
  const entities = [...endpointsEntities, ...auditEntities];
  return openDataSource({ url: database.url, applicationName: NAME, entities, max: database.connections });
}
