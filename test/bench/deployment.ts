// A Waybill of its own for each measurement: fresh database, fresh topics, the built relay and consumer as they are deployed.
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { createPool, type Pool } from '#database';
import { openDataSource } from '#database/typeorm';
import { SecretBox } from '#endpoints';
import { checkNewEndpoint, createEndpoint, endpointsEntities, putTenant } from '#endpoints/admin';
import { AddressGuard } from '#http-delivery';
import { freePort, serviceCommand } from '../../deploy/local/index.ts';
import { tenantIdOf } from './load.ts';
import type { Options } from './options.ts';
import { type Child, startService } from './processes.ts';
import { kafkaAdmin, type Servers } from './servers.ts';
import type { Watched } from './usage.ts';

const CHECKOUT = join(import.meta.dirname, '../..');
const READY_WITHIN_MS = 60_000;

export class Deployment implements AsyncDisposable {
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly #env: NodeJS.ProcessEnv;
  readonly #masterKey = randomBytes(32);
  readonly #logDir = mkdtempSync(join(tmpdir(), 'waybill-bench-'));
  readonly #prefix: string;
  readonly #servers: Servers;
  readonly #options: Options;
  readonly #name: string;
  readonly #services: Child[] = [];
  #migration: Child | null = null;
  #consumerPort = 0;
  #isStopped = false;

  private constructor(servers: Servers, options: Options, name: string) {
    const id = randomBytes(4).toString('hex');
    this.#prefix = `bench-${id}`;
    this.#servers = servers;
    this.#options = options;
    this.#name = name;
    const url = new URL(servers.addresses.DATABASE_URL);
    url.pathname = `/waybill_bench_${id}`;
    this.databaseUrl = url.href;
    this.pool = createPool({ url: url.href, max: 2, applicationName: 'bench', statementTimeoutMs: 120_000 });
    this.#env = {
      ...process.env,
      ...servers.addresses,
      DATABASE_URL: url.href,
      WAYBILL_TOPIC_PREFIX: this.#prefix,
      WAYBILL_MASTER_KEYS: `bench:${this.#masterKey.toString('base64')}`,
      WAYBILL_ALLOW_HTTP_TARGETS: 'true',
      WAYBILL_ALLOWED_TARGET_CIDRS: '127.0.0.0/8',
    };
  }

  /** Migrates and starts; returns when relay and consumer are ready. `cleanup` ends it if the caller can't. */
  static async start(
    servers: Servers,
    options: Options,
    { name, cleanup }: { name: string; cleanup: AsyncDisposableStack },
  ): Promise<Deployment> {
    const deployment = cleanup.use(new Deployment(servers, options, name));
    await deployment.#createDatabase();
    await deployment.#migrate();
    await deployment.#startServices();
    return deployment;
  }

  get watched(): Watched[] {
    return this.#services.map(({ name, pid }) => ({ name, pid }));
  }

  /** Throws when a service has ended by itself: its figures would be those of a crash. */
  assertRunning(): void {
    const ended = this.#services.find((service) => !service.isRunning);
    if (ended !== undefined) throw new Error(`the ${ended.name} has ended:\n${this.#endOfLog(ended.name)}`);
  }

  /** Tenants of a run, each with one endpoint for all types. */
  async createEndpoints(run: number, receiverUrl: string): Promise<void> {
    const { endpoints, maxConcurrency } = this.#options;
    const box = new SecretBox([{ id: 'bench', key: this.#masterKey }]);
    const guard = new AddressGuard({ allowHttp: true, allowedCidrs: ['127.0.0.0/8'], allowedPorts: [443] });
    const source = await openDataSource({
      url: this.databaseUrl,
      applicationName: 'bench',
      entities: endpointsEntities,
    });
    try {
      for (let n = 0; n < endpoints; n++) {
        // Many retries: what fails for the whole of a run must not end halted, for then nothing more is tried.
        const input = checkNewEndpoint({ url: `${receiverUrl}/${n}`, maxConcurrency, maxRetries: 50 }, guard);
        if (!input.ok) throw new Error(`endpoint: ${JSON.stringify(input.faults)}`);
        const tenantId = tenantIdOf(run, n);
        await source.transaction(async (manager) => {
          await putTenant(manager, tenantId, { name: tenantId });
          await createEndpoint(manager, box, { tenantId, input: input.value, nowMs: Date.now() });
        });
      }
    } finally {
      await source.destroy();
    }
  }

  /** What is on record of a run: all of it must be there, or the figures are those of another system. */
  async recorded(run: number): Promise<{ delivered: number; attempts: number }> {
    const { rows } = await this.pool.query<{ delivered: number; attempts: number }>(
      `WITH done AS (SELECT event_id, endpoint_id FROM waybill.delivery_history WHERE tenant_id LIKE $1 AND state = 'delivered')
       SELECT (SELECT count(*) FROM done) AS delivered, (SELECT count(*) FROM waybill.attempt JOIN done USING (event_id, endpoint_id)) AS attempts`,
      [tenantIdOf(run, 0).replace(/0$/, '%')],
    );
    return rows[0]!;
  }

  /** The consumer's own counts so far, without those that are 0: what it took to deliver. */
  async counters(): Promise<Map<string, number>> {
    const text = await (await fetch(`http://127.0.0.1:${this.#consumerPort}/metrics`)).text();
    const samples = text.matchAll(/^waybill_(\w+)_total(\{[^}]*\})? (\d+)/gm);
    const counts = new Map<string, number>();
    for (const [, name = '', labels = '', value] of samples) {
      if (Number(value) > 0 && !name.startsWith('delivery_attempts')) counts.set(name + labels, Number(value));
    }
    return counts;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    await this.#migration?.stop();
    await Promise.all(this.#services.map((service) => service.stop()));
    await this.pool.end();
    await this.#dropTopicsAndDatabase();
    rmSync(this.#logDir, { recursive: true, force: true });
  }

  async #createDatabase(): Promise<void> {
    await this.#onServer(`CREATE DATABASE "${new URL(this.databaseUrl).pathname.slice(1)}"`);
  }

  async #migrate(): Promise<void> {
    this.#migration = this.#start('migrate', 'migrate', []);
    // It waits for servers for ever; we don't.
    const late = setTimeout(() => void this.#migration?.stop(), READY_WITHIN_MS);
    const how = await this.#migration.ended.finally(() => clearTimeout(late));
    if (how !== 'code 0') throw new Error(`the migration ended with ${how}:\n${this.#endOfLog('migrate')}`);
  }

  async #startServices(): Promise<void> {
    const start = async (name: 'relay' | 'consumer', script: string) => {
      const port = await freePort();
      if (name === 'consumer') this.#consumerPort = port;
      const child = this.#start(name, script, this.#profileFlags(name), port);
      this.#services.push(child);
      await this.#ready(child, port);
    };
    await Promise.all([start('relay', 'start:outbox-relay'), start('consumer', 'start:delivery-consumer')]);
  }

  /** Exactly as `npm run` would, but without npm's process in between. */
  #start(name: string, script: string, moreFlags: string[], managementPort = 0): Child {
    if (this.#isStopped) throw new Error('stopped while starting');
    const command = serviceCommand(script);
    const args = [...moreFlags, ...command.args];
    const env = { ...this.#env, ...command.env, MANAGEMENT_PORT: String(managementPort) };
    return startService(name, { args, cwd: CHECKOUT, env, logFile: this.#logFile(name) });
  }

  #profileFlags(name: 'relay' | 'consumer'): string[] {
    const { cpuProfileDir, profiled } = this.#options;
    if (cpuProfileDir === null || !profiled.includes(name)) return [];
    mkdirSync(cpuProfileDir, { recursive: true });
    return ['--cpu-prof', `--cpu-prof-dir=${cpuProfileDir}`, `--cpu-prof-name=${this.#name}-${name}.cpuprofile`];
  }

  async #ready(child: Child, port: number): Promise<void> {
    const deadline = Date.now() + READY_WITHIN_MS;
    for (;;) {
      const isReady = await fetch(`http://127.0.0.1:${port}/health/ready`).then(
        (response) => response.body?.cancel().then(() => response.ok),
        () => false,
      );
      if (isReady) return;
      this.assertRunning();
      await delay(100);
      if (Date.now() > deadline)
        throw new Error(`the ${child.name} does not get ready:\n${this.#endOfLog(child.name)}`);
    }
  }

  async #dropTopicsAndDatabase(): Promise<void> {
    if (this.#options.keepStack) return; // So that one may look into it.
    const admin = kafkaAdmin(this.#servers.addresses);
    const topics = ['events', 'retry', 'dead-letter'].map((name) => `${this.#prefix}.${name}`);
    const dropped = await Promise.allSettled([
      this.#services.length > 0 ? admin.deleteTopics(topics) : null,
      this.#onServer(`DROP DATABASE IF EXISTS "${new URL(this.databaseUrl).pathname.slice(1)}" WITH (FORCE)`),
    ]);
    await admin.disconnect();
    for (const one of dropped) if (one.status === 'rejected') console.error(`left behind: ${String(one.reason)}`);
  }

  async #onServer(statement: string): Promise<void> {
    const pool = createPool({ url: this.#servers.addresses.DATABASE_URL, max: 1, applicationName: 'bench' });
    try {
      await pool.query(statement);
    } finally {
      await pool.end();
    }
  }

  #logFile(name: string): string {
    return join(this.#logDir, `${name}.log`);
  }

  #endOfLog(name: string): string {
    return readFileSync(this.#logFile(name), 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  }
}
