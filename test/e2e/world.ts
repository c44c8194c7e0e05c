// A deployment of its own for a test file: database, topics, the built services, and the doors that its users have.
import { randomBytes } from 'node:crypto';
import { createPool, type Pool } from '#database';
import { createKafka, type KafkaClient } from '#kafka';
import { createLogger } from '#telemetry';
import { type Arrival, createTestDatabase, stackAddresses, type TestDatabase, testKafka, until } from '#testkit';
import { type Environment, runToEnd, type ServiceName, type ServiceProcess, startService } from './processes.ts';

const ADMIN_TOKEN = 'an-admin-token-for-tests-of-32-characters';

export interface ApiAnswer {
  status: number;
  // Tests look into any answer.
  body: any;
}

export interface Endpoint {
  id: string;
  secret: string;
  tenantId: string;
}

/** A delivery as the database has it, open or terminal. */
export interface DeliveryRow {
  event_id: string;
  endpoint_id: string;
  stream_id: string;
  sequence: number | null;
  state: string;
  attempts: number;
  error_class: string | null;
  status_code: number | null;
}

/** What a delivery is that waits behind its lane's head: `pending` when the head's answer was so slow that it had to go to the database. */
export const BEHIND_HEAD = ['parked', 'pending'] as const;

export class World {
  readonly database: TestDatabase;
  readonly pool: Pool;
  readonly kafka: KafkaClient;
  readonly prefix: string;
  readonly env: Environment;
  readonly partitions: number;
  readonly services: ServiceProcess[] = [];
  #api: ServiceProcess | null = null;
  #tenants = 0;

  constructor(database: TestDatabase, prefix: string, partitions: number, env: Environment) {
    const addresses = stackAddresses();
    this.database = database;
    this.prefix = prefix;
    this.partitions = partitions;
    this.pool = createPool({ url: database.url, max: 8, applicationName: 'e2e', statementTimeoutMs: 60_000 });
    const logger = createLogger('e2e', 'silent');
    this.kafka = createKafka({ brokers: addresses.KAFKA_BROKERS.split(','), clientId: 'e2e', logger });
    this.env = {
      ...addresses,
      DATABASE_URL: database.url,
      WAYBILL_TOPIC_PREFIX: prefix,
      WAYBILL_TOPIC_PARTITIONS: String(partitions),
      WAYBILL_MASTER_KEYS: `k1:${randomBytes(32).toString('base64')}`,
      WAYBILL_ADMIN_TOKEN: ADMIN_TOKEN,
      WAYBILL_ALLOW_HTTP_TARGETS: 'true',
      WAYBILL_ALLOWED_TARGET_CIDRS: '127.0.0.0/8',
      ...env,
    };
  }

  async start(name: ServiceName, env: Environment = {}): Promise<ServiceProcess> {
    const service = await startService(name, { ...this.env, ...env });
    this.services.push(service);
    if (name === 'status-service') this.#api = service;
    return service;
  }

  async startAll(env: Environment = {}): Promise<Record<'relay' | 'consumer' | 'api', ServiceProcess>> {
    const [relay, consumer, api] = await Promise.all([
      this.start('outbox-relay', env),
      this.start('delivery-consumer', env),
      this.start('status-service', env),
    ]);
    await Promise.all([relay.ready(), consumer.ready(), api.ready()]);
    return { relay, consumer, api };
  }

  async call(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    const response = await fetch(`${this.#api!.httpUrl}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${ADMIN_TOKEN}`,
        connection: 'close',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  /** A tenant of its own with one endpoint, unless `tenantId` is given. */
  async createEndpoint(settings: Record<string, unknown>, tenantId = `tenant-${++this.#tenants}`): Promise<Endpoint> {
    await this.call('PUT', `/v1/tenants/${tenantId}`, { name: tenantId });
    const { status, body } = await this.call('POST', `/v1/tenants/${tenantId}/endpoints`, settings);
    if (status !== 201) throw new Error(`endpoint not created: ${status} ${JSON.stringify(body)}`);
    return { id: body.id, secret: body.secret ?? settings['secret'], tenantId };
  }

  async publish(tenantId: string, streamId: string, payload: unknown = {}, type = 'TEST_EVENT'): Promise<string> {
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
    const { rows } = await this.pool.query<{ id: string }>('SELECT outbox.publish_event($1, $2, $3, $4::json) AS id', [
      tenantId,
      streamId,
      type,
      text,
    ]);
    return rows[0]!.id;
  }

  async publishMany(tenantId: string, streamId: string, count: number): Promise<string[]> {
    const ids: string[] = [];
    for (let n = 1; n <= count; n++) ids.push(await this.publish(tenantId, streamId, { n }));
    return ids;
  }

  async deliveries(endpointId: string): Promise<DeliveryRow[]> {
    const columns = 'event_id, endpoint_id, stream_id, sequence, state, attempts, error_class, status_code';
    const { rows } = await this.pool.query<DeliveryRow>(
      `SELECT ${columns} FROM waybill.delivery WHERE endpoint_id = $1
       UNION ALL SELECT ${columns} FROM waybill.delivery_history WHERE endpoint_id = $1 ORDER BY stream_id, sequence`,
      [endpointId],
    );
    return rows;
  }

  /** Waits until the deliveries of an endpoint are in these states, by `stream sequence`; any of several counts. */
  async settled(
    endpointId: string,
    states: Record<string, string | readonly string[]>,
    withinMs = 20_000,
  ): Promise<DeliveryRow[]> {
    let rows: DeliveryRow[] = [];
    const seen = () => Object.fromEntries(rows.map((row) => [`${row.stream_id} ${row.sequence}`, row.state]));
    await until(
      async () => {
        rows = await this.deliveries(endpointId);
        const now = seen();
        return Object.entries(states).every(([key, state]) => [state].flat().includes(now[key] ?? ''));
      },
      { withinMs, what: `deliveries ${JSON.stringify(states)}`, everyMs: 50 },
    ).catch((error: unknown) => {
      throw new Error(
        `${String(error)}; the rows are ${JSON.stringify(seen())}\n${this.services.map((s) => s.tail()).join('\n')}`,
      );
    });
    return rows;
  }

  async lanes(endpointId: string): Promise<any[]> {
    const { body } = await this.call('GET', `/v1/lanes?endpointId=${endpointId}&limit=200`);
    return body.items;
  }

  async close(): Promise<void> {
    await Promise.all(this.services.map((service) => service.kill()));
    await this.pool.end();
    const admin = this.kafka.admin();
    const topics = ['events', 'retry', 'dead-letter'].map((name) => `${this.prefix}.${name}`);
    await admin.deleteTopics(topics).catch(() => undefined);
    await admin.disconnect();
    await this.database.drop().catch(() => undefined); // Killed processes leave connections for a moment.
  }
}

/** Migrated by the built `migrate`; nothing else runs yet. */
export async function createWorld(options: { partitions?: number; env?: Environment } = {}): Promise<World> {
  const { partitions = 4, env = {} } = options;
  const world = new World(await createTestDatabase(), testKafka().prefix(), partitions, env);
  const migrated = await runToEnd('migrate', world.env);
  if (migrated.code !== 0) throw new Error(`migrate ended with ${migrated.code}\n${migrated.tail()}`);
  return world;
}

// ── what a receiver knows ───────────────────────────────────────────────────────────────────────────────────────────

/** Judges arrivals one by one, at the moment they come: only then is it known what had succeeded before. */
export class OrderJudge {
  readonly violations: string[] = [];
  duplicates = 0;
  requests = 0;
  readonly #succeeded = new Map<string, number>();
  readonly #eventAt = new Map<string, string>();

  /** `decide` says the status that the receiver will answer with; the lane is the path and the stream. */
  judge(arrival: Arrival, decide: () => number): number {
    const lane = `${arrival.path} ${String(arrival.headers['x-webhook-stream-id'])}`;
    const sequence = Number(arrival.headers['x-webhook-sequence']);
    const done = this.#succeeded.get(lane) ?? 0;
    this.requests++;
    if (sequence > done + 1) this.violations.push(`${lane}: ${sequence} arrived while ${done + 1} had not succeeded`);
    if (sequence <= done) this.duplicates++;
    const identity = `${String(arrival.headers['x-webhook-event-id'])} ${arrival.body.toString('base64')}`;
    const known = this.#eventAt.get(`${lane} ${sequence}`) ?? identity;
    if (known !== identity) this.violations.push(`${lane}: ${sequence} has two identities`);
    this.#eventAt.set(`${lane} ${sequence}`, identity);
    const status = decide();
    if (status < 300 && sequence === done + 1) this.#succeeded.set(lane, sequence);
    return status;
  }

  /** Events that succeeded at least once. */
  get delivered(): number {
    return [...this.#succeeded.values()].reduce((sum, highest) => sum + highest, 0);
  }

  get lanes(): ReadonlyMap<string, number> {
    return this.#succeeded;
  }
}
