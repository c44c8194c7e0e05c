// The relay process: committed events → Kafka, in order.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { describe } from '#config';
import { runMain, runUntilSignal, type Service } from '#worker';
import type { Logger } from '#telemetry';
import type { RelayConfig } from './config.ts';
import { CONFIG, LOGGER, OutboxRelayModule, SERVICES } from './outbox-relay.module.ts';

await runMain(async () => {
  const app = await NestFactory.createApplicationContext(OutboxRelayModule, { abortOnError: false, logger: false });
  const config = app.get<RelayConfig>(CONFIG);
  const logger = app.get<Logger>(LOGGER);
  logger.info({ config: describe(config) }, 'starting');
  await runUntilSignal(app.get<Service[]>(SERVICES), { logger, stopTimeoutMs: config.shutdown.timeoutMs });
  await app.close();
});
