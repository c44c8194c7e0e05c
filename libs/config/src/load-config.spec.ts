// Checks what the environment turns into, and which words a wrong one gets.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe as group, expect, test } from 'vitest';
import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import * as fragments from './fragments.ts';
import { describe, loadConfig } from './load-config.ts';
import { optionalSetting } from './setting.ts';

const schema = z.object({
  database: fragments.database,
  kafka: fragments.kafka,
  schemaRegistry: fragments.schemaRegistry,
  http: fragments.http,
  log: fragments.log,
  management: fragments.management(9102),
  topics: fragments.topics,
  encryption: fragments.encryption,
  access: fragments.access,
  targets: fragments.targets,
  delivery: fragments.delivery,
});

const KEY = Buffer.alloc(32, 7).toString('base64');
const needed = {
  DATABASE_URL: 'postgresql://waybill:hunter2@db:5432/waybill?sslmode=require',
  KAFKA_BROKERS: 'one:9092, two:9092',
  SCHEMA_REGISTRY_URL: 'http://registry:8081/',
  WAYBILL_MASTER_KEYS: `k1:${KEY}`,
};

const nowhere = mkdtempSync(join(tmpdir(), 'waybill-config-'));
const withStack = mkdtempSync(join(tmpdir(), 'waybill-config-'));
mkdirSync(join(withStack, '.stack'));
writeFileSync(
  join(withStack, '.stack', 'env'),
  `# local stack\nexport DATABASE_URL='postgresql://stack@127.0.0.1:1/x'\nexport KAFKA_BROKERS=127.0.0.1:2\nexport SCHEMA_REGISTRY_URL="http://127.0.0.1:3/apis/ccompat/v7"\nexport HTTP_PORT=1\n`,
);
afterAll(() => {
  for (const folder of [nowhere, withStack]) rmSync(folder, { recursive: true });
});

const load = (env: Record<string, string> = {}) =>
  loadConfig('delivery-consumer', schema, { ...needed, ...env }, { directory: nowhere });

function faultsOf(env: Record<string, string>): readonly string[] {
  try {
    load(env);
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
  return [];
}

group('a good environment', () => {
  test('gives typed values and the documented defaults', () => {
    const config = load();
    expect(config.kafka).toEqual({ brokers: ['one:9092', 'two:9092'], ssl: false });
    expect(config.topics).toEqual({ prefix: 'waybill', partitions: 12, replicationFactor: 'auto' });
    expect(config.targets).toEqual({ allowHttp: false, allowedCidrs: [], allowedPorts: [443, 8443] });
    expect([config.http.port, config.management.port, config.log.level]).toEqual([3000, 9102, 'info']);
    expect(config.encryption.masterKeys).toEqual([{ id: 'k1', key: Buffer.alloc(32, 7) }]);
    expect(config.access.adminToken).toBeUndefined();
    expect(config.delivery).toEqual({
      maxInFlight: 512,
      maxInFlightPerTenant: 512,
      circuitBreaker: true,
      leaseMs: 6000,
      flushIntervalMs: 75,
    });
  });

  test('counts an empty variable as absent', () => {
    expect(load({ HTTP_PORT: '', WAYBILL_ALLOWED_TARGET_CIDRS: '' }).http.port).toBe(3000);
  });

  test('lets the limit of a tenant follow a lower limit of the process', () => {
    expect(load({ WAYBILL_MAX_IN_FLIGHT: '64' }).delivery.maxInFlightPerTenant).toBe(64);
  });

  test('allows variables that belong to other processes of the deployment', () => {
    expect(() => load({ WAYBILL_OUTBOX_SHARDS: '4' })).not.toThrow();
  });

  test('takes SASL and TLS together', () => {
    const sasl = { KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512', KAFKA_SASL_USERNAME: 'u', KAFKA_SASL_PASSWORD: ' p ' };
    expect(load({ ...sasl, KAFKA_SSL: 'true' }).kafka).toMatchObject({
      ssl: true,
      sasl: { mechanism: 'scram-sha-512', username: 'u', password: ' p ' },
    });
  });
});

group('the local stack', () => {
  const local = (env: Record<string, string>) =>
    loadConfig('x', schema, { WAYBILL_MASTER_KEYS: `k1:${KEY}`, ...env }, { directory: withStack });

  test('gives the addresses that the environment does not, and nothing else', () => {
    const config = local({ KAFKA_BROKERS: 'mine:9092' });
    expect(config.database.url).toBe('postgresql://stack@127.0.0.1:1/x');
    expect(config.kafka.brokers).toEqual(['mine:9092']);
    expect(config.schemaRegistry.url).toBe('http://127.0.0.1:3/apis/ccompat/v7');
    expect(config.http.port).toBe(3000);
  });

  test('is not looked at in production', () => {
    expect(() => local({ NODE_ENV: 'production' })).toThrow('DATABASE_URL: is not set');
  });

  test('is named as the way out when it is not there', () => {
    expect(faultsOf({ DATABASE_URL: '' })).toEqual([
      'DATABASE_URL: is not set; set it to postgresql://user:password@host:5432/database, or start the local stack with "npm run stack:up"',
    ]);
  });
});

group('faults', () => {
  test.each([
    ['HTTP_PORT', '70000', 'must be a whole number from 0 to 65535, not "70000"'],
    ['HTTP_PORT', '3000x', 'must be a whole number from 0 to 65535, not "3000x"'],
    ['LOG_LEVEL', 'loud', 'must be one of trace, debug, info, warn, error, fatal, silent, not "loud"'],
    ['WAYBILL_ALLOW_HTTP_TARGETS', 'yes', 'must be true or false, not "yes"'],
    [
      'WAYBILL_ALLOWED_TARGET_CIDRS',
      '127.0.0.0/8,10.0.0.0',
      'must be an address block such as 127.0.0.0/8, not "10.0.0.0"',
    ],
    ['WAYBILL_ALLOWED_TARGET_CIDRS', '10.0.0.0/33', 'must be an address block such as 127.0.0.0/8, not "10.0.0.0/33"'],
    ['WAYBILL_ALLOWED_TARGET_PORTS', '443,0', 'must be a whole number from 1 to 65535, not "0"'],
    ['WAYBILL_ALLOWED_TARGET_PORTS', ',', 'must name at least one port'],
    ['WAYBILL_TOPIC_PREFIX', 'a b', 'must be 1–150 letters, digits, ".", "_" or "-", not "a b"'],
    ['WAYBILL_TOPIC_REPLICATION_FACTOR', 'three', 'must be a whole number from 1 to 9, not "three"'],
    ['KAFKA_BROKERS', 'kafka', 'must be host:port, not "kafka"'],
    ['KAFKA_SSL_CA_FILE', '/nowhere/ca.pem', 'names a file that cannot be read (ENOENT): "/nowhere/ca.pem"'],
    ['WAYBILL_MAX_IN_FLIGHT_PER_TENANT', '600', 'must not exceed WAYBILL_MAX_IN_FLIGHT (512)'],
    ['KAFKA_SASL_PASSWORD', 'hunter2', 'needs KAFKA_SASL_MECHANISM'],
    ['DATABASE_URL', 'mysql://root:hunter2@db', 'must be a URL that begins with postgres:// or postgresql://'],
    ['WAYBILL_ADMIN_TOKEN', 'hunter2', 'must be 32 to 256 printable ASCII characters without spaces'],
    ['WAYBILL_MASTER_KEYS', 'hunter2', 'key 1 must be id:base64, the id 1–32 letters, digits, "_" or "-"'],
    ['WAYBILL_MASTER_KEYS', `k1:${KEY},k2:aHVudGVyMg==`, 'key 2 must be 32 bytes in base64, not 7'],
    ['WAYBILL_MASTER_KEYS', `k1:${KEY},k1:${KEY}`, 'has two keys with the same id'],
    ['WAYBILL_MASTER_KEYS', 'k1:not*base64', 'key 1 is not base64'],
  ])('%s=%s', (name, value, message) => {
    expect(faultsOf({ [name]: value })).toEqual([`${name}: ${message}`]);
  });

  test('of several variables are told together, a line each', () => {
    const faults = faultsOf({ HTTP_PORT: 'a', LOG_LEVEL: 'b', WAYBILL_LEASE_MS: 'c', DATABASE_URL: '', WAYBILL_X: '' });
    expect(new Set(faults.map((line) => line.split(':')[0]))).toEqual(
      new Set(['HTTP_PORT', 'LOG_LEVEL', 'WAYBILL_LEASE_MS', 'DATABASE_URL', 'WAYBILL_X']),
    );
    expect(new ConfigError(faults).message.split('\n')).toHaveLength(5);
    expect(new ConfigError(faults).exitCode).toBe(2);
  });

  test('name each missing half of SASL', () => {
    expect(faultsOf({ KAFKA_SASL_MECHANISM: 'plain' })).toEqual([
      'KAFKA_SASL_USERNAME: is not set, but KAFKA_SASL_MECHANISM is',
      'KAFKA_SASL_PASSWORD: is not set, but KAFKA_SASL_MECHANISM is',
    ]);
  });

  test('stay on one line, whatever the value holds', () => {
    expect(faultsOf({ HTTP_PORT: `1\n${'2'.repeat(500)}` })[0]).toMatch(/^.{1,140}$/);
  });
});

group('an unknown WAYBILL_ variable', () => {
  test.each([
    ['WAYBILL_TOPIC_PREFX', 'WAYBILL_TOPIC_PREFIX'],
    ['WAYBILL_ADMINTOKEN', 'WAYBILL_ADMIN_TOKEN'],
    ['WAYBILL_MASTER_KEY', 'WAYBILL_MASTER_KEYS'],
  ])('%s is a fault that names %s', (name, known) => {
    expect(faultsOf({ [name]: 'hunter2' })).toEqual([`${name}: is not a setting; did you mean ${known}?`]);
  });
});

group('the summary', () => {
  test('shows every setting by its variable, defaults included, and no secret', () => {
    const token = 'hunter2-'.repeat(5);
    const summary = describe(load({ WAYBILL_ADMIN_TOKEN: token, SCHEMA_REGISTRY_URL: 'https://u:hunter2@r:8081' }));
    expect(summary).toMatchObject({
      app: 'delivery-consumer',
      DATABASE_URL: 'postgresql://waybill@db:5432/waybill',
      SCHEMA_REGISTRY_URL: 'https://u@r:8081/',
      WAYBILL_ADMIN_TOKEN: 'set',
      WAYBILL_MASTER_KEYS: 'k1 (writes)',
      WAYBILL_LEASE_MS: '6000',
    });
    expect(summary).not.toHaveProperty('KAFKA_SASL_PASSWORD');
    expect(JSON.stringify(summary)).not.toMatch(/hunter2|Bwc/);
  });

  test('is only there for what loadConfig made', () => {
    expect(() => describe({})).toThrow('loadConfig');
  });
});

group('an app’s own settings', () => {
  const own = (env: string) => z.object({ own: optionalSetting((text) => text, { env, meaning: 'Own.' }) });

  test('may have any other name', () => {
    expect(loadConfig('demo', own('DEMO_PACE'), { DEMO_PACE: 'x' }).own).toBe('x');
  });

  test('must be known to this library when they begin with WAYBILL_', () => {
    expect(() => loadConfig('demo', own('WAYBILL_PACE'), {})).toThrow(
      'settings missing from libs/config: WAYBILL_PACE',
    );
  });
});
