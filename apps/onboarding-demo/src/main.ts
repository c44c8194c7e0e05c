// A sample domain service: it keeps applications and cards, and tells nobody anything but by its commits.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { DataSource } from 'typeorm';
import { describe, loadConfig } from '#config';
import { createLogger, createMetrics, type ManagementServer, startManagementServer, version } from '#telemetry';
import { retryForever, runMain, runUntilSignal, type Service } from '#worker';
import { type DemoConfig, demoConfigSchema } from './service/config.ts';
import { openDemoDatabase } from './service/database.ts';
import { onboardingDemoModule } from './service/onboarding-demo.module.ts';

const NAME = 'onboarding-demo';

await runMain(async () => {
  const config = loadConfig(NAME, demoConfigSchema);
  const logger = createLogger(NAME, config.log.level);
  logger.info({ config: describe(config) }, 'starting');
  await runUntilSignal(servicesOf(config, logger), { logger, stopTimeoutMs: config.shutdown.timeoutMs });
});

function servicesOf(config: DemoConfig, logger: ReturnType<typeof createLogger>): Service[] {
  let waitingFor: string | null = 'starting';
  const registry = createMetrics(NAME, version);
  const health = {
    live: () => true,
    ready: () => ({ ready: waitingFor === null, reasons: waitingFor === null ? [] : [waitingFor] }),
  };
  let management: ManagementServer | undefined;
  let source: DataSource | undefined;
  let app: NestFastifyApplication | undefined;
  return [
    {
      name: 'management server',
      start: async () => void (management = await startManagementServer({ ...config.management, registry, health })),
      stop: () => management?.close(),
    },
    {
      name: 'database',
      start: async (signal) => {
        const onFailure = (reason: string) => (waitingFor = `database: ${reason}`);
        const open = () => openDemoDatabase(config.database.url);
        source = await retryForever('opening the database', open, { logger, signal, onFailure });
      },
      stop: () => source?.destroy(),
    },
    {
      name: 'API',
      start: async () => {
        const options = { logger: false, abortOnError: false } as const;
        app = await NestFactory.create<NestFastifyApplication>(
          onboardingDemoModule(source!),
          new FastifyAdapter({ forceCloseConnections: 'idle' }),
          options,
        );
        await app.listen(config.http.port, config.http.host);
        waitingFor = null;
        logger.info({ address: await app.getUrl() }, 'serving');
      },
      stop: async () => {
        waitingFor = 'stopping';
        await app?.close();
      },
    },
  ];
}
