// The API on a database that a test gives it, without sockets; with tickets and log lines kept for inspection.
import { auditMigrations } from '#audit';
import { auditEntities, createToken, type Role } from '#audit/admin';
import { type Clock, systemClock } from '#clock';
import { createPool, type Pool } from '#database';
import { openDataSource, runMigrations } from '#database/typeorm';
import { deliveriesMigrations } from '#deliveries';
import { endpointsMigrations, SecretBox } from '#endpoints';
import { endpointsEntities } from '#endpoints/admin';
import { AddressGuard } from '#http-delivery';
import type { LogProducer, ProducedRecord } from '#kafka';
import { outboxMigrations } from '#outbox';
import { createLogger, createMetrics } from '#telemetry';
import { createRequestHistogram } from './metrics.ts';
import { RetryTickets } from './retry-tickets.ts';
import { createServer } from './server.ts';
import { Stats } from './stats.ts';

export const ADMIN_TOKEN = 'a-bootstrap-token-of-32-characters-or-more';

/** For `createTestDatabase`: everything that the API reads and writes. */
export const migrate = (url: string): Promise<unknown> =>
  runMigrations(url, [
    ...outboxMigrations({ shards: 4 }),
    ...endpointsMigrations,
    ...deliveriesMigrations,
    ...auditMigrations,
  ]);

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  // Tests look into any answer; the views check the shapes.
  // oxlint-disable-next-line typescript/no-explicit-any
  body: any;
}

export interface TestApi {
  pool: Pool;
  records: ProducedRecord[];
  logLines: Record<string, unknown>[];
  metrics: () => Promise<string>;
  settled: () => Promise<void>;
  /** `token` is the bootstrap token unless given; null sends none. A string `body` is sent as it is. */
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  tokenFor(role: Role, tenantId?: string): Promise<string>;
  close(): Promise<void>;
}

export interface CallOptions {
  token?: string | null;
  body?: unknown;
  headers?: Record<string, string>;
}

/** `poolUrl` lets the pool reach another server than the entities: one that is away. */
export async function startTestApi(
  url: string,
  options: { clock?: Clock; poolUrl?: string; send?: LogProducer['send'] } = {},
): Promise<TestApi> {
  const { clock = systemClock } = options;
  const logLines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void logLines.push(JSON.parse(line) as Record<string, unknown>) };
  const logger = createLogger('status-service', 'info', { destination });
  const pool = createPool({ url: options.poolUrl ?? url, applicationName: 'test-api', max: 4 });
  const entities = [...endpointsEntities, ...auditEntities];
  const source = await openDataSource({ url, applicationName: 'test-api', entities, max: 4 });
  const records: ProducedRecord[] = [];
  const send = options.send ?? (async (batch: readonly ProducedRecord[]) => void records.push(...batch));
  const producer = { send } as LogProducer;
  const tickets = new RetryTickets({ producer, topicPrefix: 'test', clock, logger });
  const registry = createMetrics('status-service', 'test');
  const app = await createServer(
    {
      version: '0.0.0',
      adminToken: ADMIN_TOKEN,
      clock,
      logger,
      pool,
      source,
      secretBox: new SecretBox([{ id: 'k1', key: Buffer.alloc(32, 1) }]),
      urlGuard: new AddressGuard({ allowHttp: false, allowedCidrs: [], allowedPorts: [443] }),
      tickets,
      stats: new Stats(pool, clock),
    },
    createRequestHistogram(registry),
  );
  await app.getHttpAdapter().getInstance().ready();

  return {
    pool,
    records,
    logLines,
    metrics: () => registry.metrics(),
    settled: () => tickets.settled(),
    async call(method, path, { token = ADMIN_TOKEN, body, headers = {} } = {}) {
      const answer = await app.inject({
        method: method as 'GET',
        url: path,
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { payload: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      const text = answer.body;
      return {
        status: answer.statusCode,
        headers: answer.headers,
        body: text === '' ? null : (JSON.parse(text) as unknown),
      };
    },
    async tokenFor(role, tenantId) {
      const input = { name: `${role} of a test`, role, tenantId: tenantId ?? null, createdBy: 'test' };
      return (await createToken(source.manager, input)).secret;
    },
    async close() {
      await app.close();
      await source.destroy();
      await pool.end();
    },
  };
}
