// The consumer process: Kafka → signed HTTPS, lane by lane, with retries.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { AsyncMicroserviceOptions } from '@nestjs/microservices';
import { describe } from '#config';
import type { Logger } from '#telemetry';
import { runMain, runUntilSignal, type Service } from '#worker';
import type { ConsumerConfig } from './config.ts';
import { DeliveryConsumerModule } from './delivery-consumer.module.ts';
import type { LogTransport } from './log-transport.ts';
import { CONFIG, LOGGER, SERVICES, TRANSPORT } from './tokens.ts';

await runMain(async () => {
  const app = await NestFactory.createMicroservice<AsyncMicroserviceOptions>(DeliveryConsumerModule, {
    useFactory: (strategy: LogTransport) => ({ strategy }),
    inject: [TRANSPORT],
    abortOnError: false,
    logger: false,
  });
  const config = app.get<ConsumerConfig>(CONFIG);
  const logger = app.get<Logger>(LOGGER);
  logger.info({ config: describe(config) }, 'starting');
  // The log is read last and left first: what it brings needs everything else.
  const transport: Service = {
    name: 'log transport',
    start: async () => void (await app.listen()),
    stop: () => app.close(),
  };
  await runUntilSignal([...app.get<Service[]>(SERVICES), transport], {
    logger,
    stopTimeoutMs: config.shutdown.timeoutMs,
  });
});
