// How services start: with bad settings they end and say why; with servers that are away they wait, say so, and go on.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startReceiver, until } from '#testkit';
import { type Environment, runToEnd, type ServiceName, type ServiceProcess, STARTED_WITHIN_MS } from './processes.ts';
import { type Proxy, proxyOf } from './proxy.ts';
import { createWorld, type World } from './world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld({ partitions: 2 });
}, 60_000);
afterAll(async () => {
  await world?.close();
});

const without = (env: Environment, ...names: string[]) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !names.includes(name)));

describe('bad settings', () => {
  const bad: [ServiceName, Environment, RegExp[]][] = [
    ['outbox-relay', { WAYBILL_OUTBOX_SHARD: '4' }, [/WAYBILL_OUTBOX_SHARD: .*WAYBILL_OUTBOX_SHARDS/]],
    ['delivery-consumer', { WAYBILL_MAX_INFLIGHT: '9' }, [/WAYBILL_MAX_INFLIGHT: .*WAYBILL_MAX_IN_FLIGHT\b/]],
    // Only the command line arms failpoints: to a production start they are an unknown setting.
    [
      'delivery-consumer',
      { WAYBILL_FAILPOINTS: 'consumer.before_send=exit' },
      [/WAYBILL_FAILPOINTS: is not a setting/],
    ],
    ['status-service', { WAYBILL_ADMIN_TOKEN: 'short', HTTP_PORT: 'http' }, [/WAYBILL_ADMIN_TOKEN/, /HTTP_PORT/]],
    ['migrate', { WAYBILL_TOPIC_PARTITIONS: '0', LOG_LEVEL: 'loud' }, [/WAYBILL_TOPIC_PARTITIONS/, /LOG_LEVEL/]],
  ];

  it.each(bad)('end %s with code 2 and a line for each fault', async (name, env, faults) => {
    const given = { ...without(world.env, 'DATABASE_URL'), KAFKA_BROKERS: 'no port', ...env };
    const { code, stderr } = await runToEnd(name, given);
    expect(code).toBe(2);
    const lines = stderr.trim().split('\n');
    for (const fault of [/DATABASE_URL/, /KAFKA_BROKERS/, ...faults]) {
      expect(
        lines.filter((line) => fault.test(line)),
        stderr,
      ).toHaveLength(1);
    }
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stderr).not.toContain(world.env['WAYBILL_MASTER_KEYS']);
  });
});

describe('another number of partitions', () => {
  it.each(['outbox-relay', 'delivery-consumer', 'migrate'] as const)(
    'ends %s with an error that names both',
    async (name) => {
      const { code, stderr } = await runToEnd(name, { ...world.env, WAYBILL_TOPIC_PARTITIONS: '5' });
      expect(code, stderr).toBe(1);
      expect(stderr).toMatch(/\b5\b/);
      expect(stderr).toMatch(/\b2\b/);
      expect(stderr).toContain('WAYBILL_TOPIC_PARTITIONS');
    },
  );
});

describe('servers that are away', () => {
  let proxies: Record<'database' | 'kafka' | 'registry', Proxy>;
  let env: Environment;
  let services: ServiceProcess[] = [];

  beforeAll(async () => {
    const [database, kafka, registry] = await Promise.all([
      proxyOf(world.env['DATABASE_URL']!),
      proxyOf(world.env['KAFKA_BROKERS']!),
      proxyOf(world.env['SCHEMA_REGISTRY_URL']!),
    ]);
    proxies = { database: database.proxy, kafka: kafka.proxy, registry: registry.proxy };
    env = {
      DATABASE_URL: database.through,
      KAFKA_BROKERS: kafka.through,
      SCHEMA_REGISTRY_URL: registry.through,
    };
  });
  afterAll(async () => {
    await Promise.all(services.map((service) => service.kill()));
    await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
  });

  const notReady = (service: ServiceProcess, reason: RegExp) =>
    until(
      async () => {
        const { ready, reasons } = await service.readiness();
        return !ready && reasons.some((one) => reason.test(one));
      },
      { withinMs: STARTED_WITHIN_MS, what: `${service.name} to name ${String(reason)}`, everyMs: 50 },
    ).catch(async (error: unknown) => {
      throw new Error(`${String(error)}: ${JSON.stringify(await service.readiness())}\n${service.tail()}`);
    });

  it('are waited for at the start, named, and used as soon as they are there', async () => {
    const [relay, consumer, api] = await Promise.all([
      world.start('outbox-relay', env),
      world.start('delivery-consumer', env),
      world.start('status-service', env),
    ]);
    services = [relay, consumer, api];
    await Promise.all(services.map((service) => notReady(service, /ECONNREFUSED|refused|connect/i)));
    await proxies.database.open();
    await api.ready();
    await notReady(relay, /registry|ECONNREFUSED|refused|connect/i);
    await proxies.registry.open();
    await notReady(consumer, /broker|kafka|ECONNREFUSED|refused|connect/i);
    await proxies.kafka.open();
    await Promise.all([relay.ready(), consumer.ready()]);
    const receiver = await startReceiver();
    const endpoint = await world.createEndpoint({ url: receiver.url });
    await world.publishMany(endpoint.tenantId, 's', 3);
    await receiver.received(3);
    await receiver.close();
  }, 180_000);

  it('are waited for when they go later: not ready with a reason, nothing lost, order kept', async () => {
    const [relay, consumer, api] = services as [ServiceProcess, ServiceProcess, ServiceProcess];
    const receiver = await startReceiver();
    const endpoint = await world.createEndpoint({ url: receiver.url });
    await world.publishMany(endpoint.tenantId, 'later', 5);
    await receiver.received(5);
    await proxies.database.close();
    await world.publishMany(endpoint.tenantId, 'later', 5);
    await Promise.all([relay, consumer, api].map((service) => notReady(service, /./)));
    expect((await world.call('GET', '/v1/tenants')).status).toBeGreaterThanOrEqual(500);
    await proxies.database.open();
    await Promise.all([relay, consumer, api].map((service) => service.ready()));
    await world.settled(endpoint.id, { 'later 1': 'delivered', 'later 10': 'delivered' }, 30_000);
    const first = new Map<string, number>();
    for (const { headers } of receiver.arrivals) {
      const sequence = String(headers['x-webhook-sequence']);
      first.set(sequence, (first.get(sequence) ?? 0) + 1);
    }
    expect([...first.keys()]).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', '10']);
    await receiver.close();
    for (const service of services) expect(service.log.filter((line) => line.level === 'fatal')).toEqual([]);
  }, 180_000);

  it('are given up waiting for at SIGTERM, with code 0', async () => {
    await proxies.database.close();
    const service = await world.start('outbox-relay', env);
    await notReady(service, /ECONNREFUSED|refused|connect/i);
    expect(await service.stop(), service.tail()).toBe(0);
    await proxies.database.open();
  });

  it('make migrate wait, and end with code 0 when all is in place', async () => {
    await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
    const migrate = await world.start('migrate', env);
    await until(() => migrate.log.some((line) => line.level === 'warn'), { withinMs: 15_000, what: 'a warning' });
    await Promise.all(Object.values(proxies).map((proxy) => proxy.open()));
    expect((await migrate.exited).code, migrate.tail()).toBe(0);
  });
});
