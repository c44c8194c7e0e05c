// The management port of every process: GET /metrics, /health/live and /health/ready on plain node:http.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';

export interface Readiness {
  ready: boolean;
  /** Why it is not ready, for people; never a secret or a payload. */
  reasons: string[];
}

export interface Health {
  /** True while the process can do its work without a restart; a string (or false) says why it cannot. */
  live(): boolean | string;
  ready(): Readiness;
}

export interface ManagementOptions {
  /** 0 takes a free port. */
  port: number;
  /** Default 0.0.0.0: the scraper and the orchestrator's probes come from outside the pod. */
  host?: string;
  registry: Registry;
  health: Health;
  /** A connection that moves no byte for so long is dropped, and so is a request that takes that long to arrive. */
  timeoutMs?: number;
}

export interface ManagementServer {
  /** The port it really listens on. */
  port: number;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  contentType: string;
  body: string;
  headers?: Record<string, string>;
}

// Prometheus, two probes and a curious operator; a scraper that hangs must not pile up sockets and rendered pages.
const MAX_CONNECTIONS = 64;

/**
 * Serves metrics and health until `close()`. Rejects when it cannot listen (an `Error` with `code`, e.g. `EADDRINUSE`).
 * Nothing that a client does, nor a failing metric or health function, reaches the process: the client gets 500 or 503,
 * or is dropped.
 */
export async function startManagementServer(options: ManagementOptions): Promise<ManagementServer> {
  const { port, host = '0.0.0.0', timeoutMs = 10_000 } = options;
  const server = createServer((request, response) => void respond(request, response, options));
  server.maxConnections = MAX_CONNECTIONS;
  server.headersTimeout = timeoutMs;
  server.requestTimeout = timeoutMs;
  server.keepAliveTimeout = timeoutMs;
  server.on('clientError', (_error, socket) => socket.destroy());
  server.setTimeout(timeoutMs, (socket) => socket.destroy());
  await listen(server, port, host);
  return { port: (server.address() as AddressInfo).port, close: () => close(server) };
}

async function respond(request: IncomingMessage, response: ServerResponse, options: ManagementOptions): Promise<void> {
  response.on('error', () => response.destroy());
  const answer = await route(request, options).catch(() => text(500, 'internal error\n'));
  const body = Buffer.from(answer.body);
  response.writeHead(answer.status, {
    'content-type': answer.contentType,
    'content-length': body.length,
    'cache-control': 'no-store',
    ...answer.headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function route(request: IncomingMessage, { registry, health }: ManagementOptions): Promise<Answer> {
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const pages: Record<string, () => Answer | Promise<Answer>> = {
    '/metrics': async () => ({ status: 200, contentType: registry.contentType, body: await registry.metrics() }),
    '/health/live': () => liveness(health),
    '/health/ready': () => readiness(health),
  };
  const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
  if (!page) return text(404, 'not found\n');
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { ...text(405, 'method not allowed\n'), headers: { allow: 'GET, HEAD' } };
  }
  return page();
}

function liveness(health: Health): Answer {
  const live = attempt(() => health.live(), 'the liveness check itself failed');
  if (live === true) return json(200, { live: true });
  return json(503, { live: false, reasons: typeof live === 'string' ? [live] : [] });
}

function readiness(health: Health): Answer {
  const failed: Readiness = { ready: false, reasons: ['the readiness check itself failed'] };
  const { ready, reasons } = attempt(() => health.ready(), failed);
  return json(ready ? 200 : 503, { ready, reasons });
}

function attempt<T>(check: () => T, onThrow: T): T {
  try {
    return check();
  } catch {
    return onThrow;
  }
}

const json = (status: number, value: unknown): Answer => ({
  status,
  contentType: 'application/json; charset=utf-8',
  body: `${JSON.stringify(value)}\n`,
});

const text = (status: number, body: string): Answer => ({ status, contentType: 'text/plain; charset=utf-8', body });

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      // Later errors (out of file descriptors on accept) cost one connection, not the process.
      server.on('error', () => undefined);
      resolve();
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
