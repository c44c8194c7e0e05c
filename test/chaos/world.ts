// All of a run in one place: servers, network, Waybill's processes, writer, receiver, and the doors to them.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createPool, type Pool } from '#database';
import { deliveryGroupId } from '#deliveries';
import { createKafka, type KafkaClient, partitionFor } from '#kafka';
import { freePorts } from '../../deploy/local/index.ts';
import { Role } from '../bench/processes.ts';
import { ADMIN_TOKEN, Api } from './api.ts';
import type { Endpoint } from './checker/history.ts';
import { Cluster } from './cluster.ts';
import { type Script, Service } from './fleet.ts';
import { Network } from './network.ts';
import type { RunOptions } from './options.ts';
import { INITIAL_DELAY_MS, isHealthy, MAX_DELAY_MS, PROBE_TENANT, RESIDENTS, TENANTS } from './population.ts';
import type { Receiver } from './receiver.ts';
import type { WriterRole } from './writer.ts';

export const PARTITIONS = 6;
export const SHARDS = 4;
export const TOPIC_PREFIX = 'chaos';
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

/** Waybill's processes and the zone through which each reaches Kafka. The last consumer comes and goes. */
const SERVICES: readonly { name: string; script: Script; zone: number }[] = [
  { name: 'relay-1', script: 'outbox-relay', zone: 0 },
  { name: 'relay-2', script: 'outbox-relay', zone: 1 },
  { name: 'consumer-1', script: 'delivery-consumer', zone: 0 },
  { name: 'consumer-2', script: 'delivery-consumer', zone: 1 },
  { name: 'consumer-3', script: 'delivery-consumer', zone: 1 },
  { name: 'status', script: 'status-service', zone: 0 },
];
export const GUEST = 'consumer-3';
/** Their wall clocks can be set; those of the others go right, so that each kind has both. */
export const SHIFTED = ['relay-2', 'consumer-2'];

export class World {
  readonly options: RunOptions;
  readonly folder: string;
  readonly cluster: Cluster;
  readonly network: Network;
  readonly services: ReadonlyMap<string, Service>;
  readonly receiver: Role<Receiver>;
  readonly writer: Role<WriterRole>;
  /** Straight to PostgreSQL, past all proxies. */
  readonly pool: Pool;
  readonly api: Api;
  readonly masterKey: string;
  endpoints: Endpoint[] = [];

  private constructor(parts: {
    options: RunOptions;
    folder: string;
    cluster: Cluster;
    network: Network;
    services: ReadonlyMap<string, Service>;
    masterKey: string;
    cleanup: AsyncDisposableStack;
  }) {
    this.options = parts.options;
    this.folder = parts.folder;
    this.cluster = parts.cluster;
    this.network = parts.network;
    this.services = parts.services;
    this.masterKey = parts.masterKey;
    const { DATABASE_URL } = parts.cluster.addresses;
    this.pool = createPool({ url: DATABASE_URL, max: 5, applicationName: 'chaos', statementTimeoutMs: 120_000 });
    this.receiver = parts.cleanup.use(new Role<Receiver>('receiver', new URL('receiver.ts', import.meta.url)));
    this.writer = parts.cleanup.use(new Role<WriterRole>('writer', new URL('writer.ts', import.meta.url)));
    this.api = new Api(this.service('status').httpUrl);
  }

  /** Starts the servers and opens the ways; nothing of Waybill runs yet. `cleanup` ends all of it. */
  static async create(
    options: RunOptions,
    folder: string,
    { cleanup, ...watch }: { cleanup: AsyncDisposableStack; signal: AbortSignal; onProgress(line: string): void },
  ): Promise<World> {
    const cluster = await Cluster.start(folder, { brokers: options.brokers, ...watch });
    const clients = [...SERVICES.map(({ name }) => name), 'writer', 'migrate'];
    const network = cleanup.use(await Network.open(cluster, clients, options.seed));
    const masterKey = randomBytes(32).toString('base64');
    const services = await createServices({ cluster, network, folder, masterKey, topicLoss: options.topicLoss });
    cleanup.defer(async () => {
      await Promise.all([...services.values()].map((service) => service.kill()));
    });
    const world = new World({ options, folder, cluster, network, services, masterKey, cleanup });
    cleanup.defer(() => world.pool.end());
    return world;
  }

  service(name: string): Service {
    return this.services.get(name)!;
  }

  /** Those that run all the time. */
  get residents(): Service[] {
    return SERVICES.filter(({ name }) => name !== GUEST).map(({ name }) => this.service(name));
  }

  /** Migrates, starts the services, makes tenants and endpoints. @throws when one does not get ready. */
  async settle(): Promise<void> {
    const migrate = this.service('migrate');
    migrate.start();
    const how = await migrate.ended(120_000);
    if (how !== 'code 0') throw new Error(`the migration ended with ${how ?? 'no end'}:\n${migrate.endOfLog()}`);
    const journal = join(this.folder, 'receiver.jsonl');
    const port = await this.receiver.call('listen', { journal, seed: this.options.seed });
    for (const service of this.residents) service.start();
    for (const service of this.residents) {
      if (!(await service.ready())) throw new Error(`${service.name} does not get ready:\n${service.endOfLog()}`);
    }
    await this.#createEndpoints(port);
  }

  /** Takes every connection that PostgreSQL still has to give. Those that it keeps for superusers are left. */
  async exhaustConnections(ms: number): Promise<string> {
    const { DATABASE_URL } = this.cluster.addresses;
    const pool = createPool({ url: DATABASE_URL, max: 250, applicationName: 'chaos-hog' });
    try {
      const taken = await Promise.allSettled(
        Array.from({ length: 250 }, () => pool.query('SELECT pg_sleep($1)', [ms / 1_000])),
      );
      return `${taken.filter(({ status }) => status === 'fulfilled').length} connections held for ${ms} ms`;
    } finally {
      await pool.end();
    }
  }

  /** Deletes the events topic and makes it anew, empty; what was in it and not delivered is lost to Kafka. */
  async recreateEventsTopic(): Promise<string> {
    const name = `${TOPIC_PREFIX}.events`;
    const admin = this.kafka().admin();
    try {
      await admin.deleteTopics([name]);
      const replicationFactor = this.cluster.brokers.length;
      const topic = { name, partitions: PARTITIONS, replicationFactor, config: {} };
      const deadline = performance.now() + 20_000;
      // The deletion goes on in the background: until it is done the name is taken, or the cluster answers with a fault.
      while (!(await admin.createTopic(topic).catch(() => false))) {
        if (performance.now() > deadline) throw new Error('the topic could not be made anew');
        await delay(250);
      }
      return 'deleted and recreated empty';
    } finally {
      await admin.disconnect();
    }
  }

  /** Of the delivery consumers, none of which may run: what they have read is forgotten. */
  async deleteOffsets(): Promise<void> {
    const admin = this.kafka().admin();
    try {
      await admin.deleteGroup(deliveryGroupId(TOPIC_PREFIX));
    } finally {
      await admin.disconnect();
    }
  }

  kafka(): KafkaClient {
    const brokers = this.cluster.addresses.KAFKA_BROKERS.split(',');
    return createKafka({ brokers, clientId: 'chaos', logger: SILENT });
  }

  startWriter(): Promise<void> {
    return this.writer.call('start', {
      databaseUrl: this.network.databaseUrl('writer'),
      journal: join(this.folder, 'writer.jsonl'),
      intents: join(this.folder, 'writer-intents.jsonl'),
      seed: this.options.seed,
      rate: this.options.rate,
      probeStreams: probeStreams(),
    });
  }

  async #createEndpoints(port: number): Promise<void> {
    for (const tenantId of TENANTS) await this.api.insist('PUT', `/v1/tenants/${tenantId}`, { name: tenantId });
    for (const resident of RESIDENTS) {
      const { tenantId, path, format, eventTypes, maxRetries, timeoutMs, successStatus, onExhausted } = resident;
      const delays = { initialDelayMs: INITIAL_DELAY_MS, maxDelayMs: MAX_DELAY_MS };
      const policy = { format, eventTypes, maxRetries, timeoutMs, successStatus, onExhausted, ...delays };
      const url = `http://127.0.0.1:${port}${path}`;
      const fromAt = Date.now();
      const { id, secret } = await this.api.insist('POST', `/v1/tenants/${tenantId}/endpoints`, { url, ...policy });
      this.endpoints.push({
        id,
        tenantId,
        path,
        ...policy,
        secrets: [{ secret, encoding: 'utf8', fromAt, untilAt: null }],
        isHealthy: isHealthy(resident),
        deletedAt: null,
      });
    }
  }
}

async function createServices(parts: {
  cluster: Cluster;
  network: Network;
  folder: string;
  masterKey: string;
  topicLoss: boolean;
}): Promise<ReadonlyMap<string, Service>> {
  const { cluster, network, folder } = parts;
  const all = [...SERVICES, { name: 'migrate', script: 'migrate' as const, zone: 0 }];
  const ports = await freePorts(2 * all.length);
  const services = all.map(({ name, script, zone }) => {
    const env = {
      DATABASE_URL: network.databaseUrl(name),
      KAFKA_BROKERS: network.kafkaBrokers(zone),
      SCHEMA_REGISTRY_URL: cluster.addresses.SCHEMA_REGISTRY_URL,
      WAYBILL_TOPIC_PREFIX: TOPIC_PREFIX,
      WAYBILL_TOPIC_PARTITIONS: String(PARTITIONS),
      WAYBILL_OUTBOX_SHARDS: String(SHARDS),
      WAYBILL_MASTER_KEYS: `chaos:${parts.masterKey}`,
      WAYBILL_ADMIN_TOKEN: ADMIN_TOKEN,
      WAYBILL_ALLOW_HTTP_TARGETS: 'true',
      WAYBILL_ALLOWED_TARGET_CIDRS: '127.0.0.0/8',
      WAYBILL_SHUTDOWN_TIMEOUT_MS: '30000',
      // What was lost with a topic has to be noticed within the run.
      ...(parts.topicLoss && { WAYBILL_RECONCILE_AFTER_MS: '10000' }),
    };
    const port = { management: ports.pop()!, http: ports.pop()! };
    return [
      name,
      new Service({ name, script, env, folder, ports: port, hasOwnClock: SHIFTED.includes(name) }),
    ] as const;
  });
  return new Map(services);
}

/** Streams of the probe that reach every partition, and more than enough of them to reach every shard. */
export function probeStreams(): string[] {
  const found = new Map<number, string>();
  for (let n = 0; found.size < PARTITIONS; n++) {
    const stream = `${PROBE_TENANT}-${n}`;
    const partition = partitionFor(stream, PARTITIONS);
    if (!found.has(partition)) found.set(partition, stream);
  }
  return [...found.values()];
}
