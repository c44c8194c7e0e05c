// The HTTP server: Nest on Fastify with bounds on every request, an id, a line in the log and a point in the histogram.
import { randomUUID } from 'node:crypto';
import type { LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Histogram, Logger } from '#telemetry';
import { type Parts, statusServiceModule } from './status-service.module.ts';
import type { ApiReply, ApiRequest } from './wire.ts';

const BODY_LIMIT_BYTES = 64 * 1024;
const REQUEST_TIMEOUT_MS = 30_000;
/** Streams have up to 200 characters, three times as many when all of them are escaped. */
const MOST_PARAMETER_CHARACTERS = 1_000;

/** Listens to nothing yet. `close()` lets requests in flight end. */
export async function createServer(
  parts: Parts,
  requestSeconds: Histogram<'method' | 'route' | 'status'>,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: MOST_PARAMETER_CHARACTERS },
    genReqId: ({ headers }: Pick<ApiRequest, 'headers'>) => requestId(headers['x-request-id']),
  });
  const app = await NestFactory.create<NestFastifyApplication>(statusServiceModule(parts), adapter, {
    logger: nestLogger(parts.logger),
    abortOnError: false,
    bodyParser: false,
  });
  const fastify = adapter.getInstance();
  // Fastify reads JSON by itself; plain text would reach the schemas as a string.
  fastify.removeContentTypeParser('text/plain');
  fastify.addHook('onRequest', (request, reply, done) => {
    reply
      .header('x-request-id', request.id)
      .header('cache-control', 'no-store')
      .header('x-content-type-options', 'nosniff');
    done();
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    noteRequest(request as unknown as ApiRequest, reply, parts.logger, requestSeconds);
    done();
  });
  await app.init();
  return app;
}

/** The caller's own id where it is harmless, so that one id goes through several systems' logs. */
function requestId(given: string | string[] | undefined): string {
  return typeof given === 'string' && /^[\w.-]{1,64}$/.test(given) ? given : randomUUID();
}

/** The path without the query: that may hold user and card ids. */
function noteRequest(
  request: ApiRequest,
  reply: ApiReply,
  logger: Logger,
  seconds: Histogram<'method' | 'route' | 'status'>,
): void {
  const route = request.routeOptions.url ?? 'none';
  const { method, id, caller } = request;
  const durationMs = Math.round(reply.elapsedTime * 10) / 10;
  seconds.observe({ method, route, status: String(reply.statusCode) }, reply.elapsedTime / 1_000);
  logger.info(
    {
      requestId: id,
      method,
      route,
      path: request.url.split('?', 1)[0],
      status: reply.statusCode,
      durationMs,
      actor: caller?.actor,
      tenant: caller?.tenantId ?? undefined,
    },
    'request',
  );
}

/** Nest's own lines: its start-up chatter at debug. */
function nestLogger(logger: Logger): LoggerService {
  const at = (level: 'debug' | 'warn' | 'error' | 'fatal') => (message: unknown, context?: unknown) =>
    logger[level]({ from: 'nest', context }, String(message));
  return {
    log: at('debug'),
    debug: at('debug'),
    verbose: at('debug'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
  };
}
