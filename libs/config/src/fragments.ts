// Every setting of Waybill, grouped by what it is for; an app takes the groups it needs.
import { z } from 'zod';
import * as parse from './parsers.ts';
import { optionalSetting, requiredSetting, setting, settingInfos } from './setting.ts';

const STACK = { shownDefault: 'the local stack’s', localStack: true } as const;
const wayOut = (what: string) => `set it to ${what}, or start the local stack with "npm run stack:up"`;

export const database = z.object({
  url: requiredSetting(parse.url('postgres:', 'postgresql:'), {
    env: 'DATABASE_URL',
    meaning: 'PostgreSQL 15 or newer.',
    wayOut: wayOut('postgresql://user:password@host:5432/database'),
    ...STACK,
    secret: true,
    show: parse.showUrl,
  }),
  connections: setting(parse.integer(2, 200), {
    env: 'WAYBILL_DATABASE_CONNECTIONS',
    fallback: '10',
    meaning: 'Most connections of one process.',
  }),
});

export const kafka = z
  .object({
    brokers: requiredSetting(parse.nonEmpty(parse.list(parse.hostAndPort), 'broker'), {
      env: 'KAFKA_BROKERS',
      meaning: 'Comma-separated `host:port`; Kafka 3.7 or newer.',
      wayOut: wayOut('host:9092[,host:9092]'),
      ...STACK,
    }),
    ssl: setting(parse.boolean, { env: 'KAFKA_SSL', fallback: 'false', meaning: 'TLS to the brokers.' }),
    sslCa: optionalSetting(parse.pemFile, {
      env: 'KAFKA_SSL_CA_FILE',
      meaning: 'PEM file with the certificate authority; needs `KAFKA_SSL=true`.',
      shownDefault: 'the system’s',
    }),
    saslMechanism: optionalSetting(parse.oneOf(['plain', 'scram-sha-256', 'scram-sha-512']), {
      env: 'KAFKA_SASL_MECHANISM',
      meaning: '`plain`, `scram-sha-256` or `scram-sha-512`; needs username and password.',
    }),
    saslUsername: optionalSetting(parse.text, { env: 'KAFKA_SASL_USERNAME', meaning: 'User name at the brokers.' }),
    saslPassword: optionalSetting(parse.text, {
      env: 'KAFKA_SASL_PASSWORD',
      meaning: 'Password at the brokers.',
      secret: true,
    }),
  })
  .superRefine((given, context) => {
    const fault = (path: keyof typeof given, message: string) =>
      context.addIssue({ code: 'custom', path: [path], message });
    if (given.sslCa !== undefined && !given.ssl) fault('sslCa', 'needs KAFKA_SSL=true');
    for (const path of ['saslUsername', 'saslPassword'] as const) {
      if (given.saslMechanism !== undefined && given[path] === undefined) {
        fault(path, 'is not set, but KAFKA_SASL_MECHANISM is');
      }
      if (given.saslMechanism === undefined && given[path] !== undefined) fault(path, 'needs KAFKA_SASL_MECHANISM');
    }
  })
  .transform(({ brokers, ssl, sslCa, saslMechanism: mechanism, saslUsername = '', saslPassword = '' }) => ({
    brokers,
    ssl: sslCa === undefined ? ssl : { ca: sslCa },
    ...(mechanism === undefined ? {} : { sasl: { mechanism, username: saslUsername, password: saslPassword } }),
  }));

export const schemaRegistry = z.object({
  url: requiredSetting(parse.url('http:', 'https:'), {
    env: 'SCHEMA_REGISTRY_URL',
    meaning: 'Any Confluent-compatible registry; `https://user:password@…` for basic authentication.',
    wayOut: wayOut('http://host:8081'),
    ...STACK,
    secret: true,
    show: parse.showUrl,
  }),
});

export const log = z.object({
  level: setting(parse.oneOf(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']), {
    env: 'LOG_LEVEL',
    fallback: 'info',
    meaning: 'JSON logs on stdout from this level up.',
  }),
});

/** Each process has its own default port, so that all of them fit on one machine. */
export const management = (defaultPort: number) =>
  z.object({
    port: setting(parse.listenPort, {
      env: 'MANAGEMENT_PORT',
      fallback: String(defaultPort),
      meaning: '`GET /metrics`, `/health/live`, `/health/ready` of each process; 0 takes a free port.',
    }),
    host: setting(parse.text, {
      env: 'MANAGEMENT_HOST',
      fallback: '0.0.0.0',
      meaning: 'Address that the management port listens on.',
    }),
  });

export const http = z.object({
  port: setting(parse.listenPort, {
    env: 'HTTP_PORT',
    fallback: '3000',
    meaning: 'Status service: API and console; 0 takes a free port.',
  }),
  host: setting(parse.text, { env: 'HTTP_HOST', fallback: '0.0.0.0', meaning: 'Address that it listens on.' }),
});

export const topics = z.object({
  prefix: setting(parse.topicPrefix, {
    env: 'WAYBILL_TOPIC_PREFIX',
    fallback: 'waybill',
    meaning: 'Topics `<prefix>.events`, `.retry`, `.dead-letter`.',
  }),
  partitions: setting(parse.integer(1, 10_000), {
    env: 'WAYBILL_TOPIC_PARTITIONS',
    fallback: '12',
    meaning: 'For topic creation; fixed from the first migration on.',
  }),
  replicationFactor: setting((text): number | 'auto' => (text === 'auto' ? 'auto' : parse.integer(1, 9)(text)), {
    env: 'WAYBILL_TOPIC_REPLICATION_FACTOR',
    fallback: 'auto',
    meaning: 'For topic creation; `auto` is 3, or the number of brokers where there are fewer.',
  }),
});

export const encryption = z.object({
  masterKeys: requiredSetting(parse.masterKeys, {
    env: 'WAYBILL_MASTER_KEYS',
    meaning: '`id:base64-of-32-bytes[,id:…]`, keys for secrets at rest: all can read, the first one writes.',
    wayOut: 'set it to id:base64-of-32-bytes, e.g. k1: and the output of "openssl rand -base64 32"',
    shownDefault: 'none (the demo makes one)',
    secret: true,
    show: parse.showMasterKeys,
  }),
});

export const access = z.object({
  adminToken: optionalSetting(parse.token, {
    env: 'WAYBILL_ADMIN_TOKEN',
    meaning: 'Bootstrap API token with role admin, 32 characters or more.',
    shownDefault: 'none (the demo makes one)',
    secret: true,
  }),
});

export const targets = z.object({
  allowHttp: setting(parse.boolean, {
    env: 'WAYBILL_ALLOW_HTTP_TARGETS',
    fallback: 'false',
    meaning: 'Development: `http:` endpoint URLs.',
  }),
  allowedCidrs: setting(parse.list(parse.cidr), {
    env: 'WAYBILL_ALLOWED_TARGET_CIDRS',
    fallback: '',
    meaning: 'Development: address blocks exempt from the address guard, e.g. `127.0.0.0/8`.',
  }),
  allowedPorts: setting(parse.nonEmpty(parse.list(parse.port), 'port'), {
    env: 'WAYBILL_ALLOWED_TARGET_PORTS',
    fallback: '443,8443',
    meaning: 'Ports that endpoint URLs may use; addresses in the exempt blocks are free of this.',
  }),
});

export const delivery = z
  .object({
    maxInFlight: setting(parse.integer(1, 10_000), {
      env: 'WAYBILL_MAX_IN_FLIGHT',
      fallback: '512',
      meaning: 'Most requests in flight of one delivery consumer.',
    }),
    maxInFlightPerTenant: optionalSetting(parse.integer(1, 10_000), {
      env: 'WAYBILL_MAX_IN_FLIGHT_PER_TENANT',
      meaning: 'Most of them for one tenant.',
      shownDefault: '`WAYBILL_MAX_IN_FLIGHT` (512)',
    }),
    circuitBreaker: setting(parse.boolean, {
      env: 'WAYBILL_CIRCUIT_BREAKER',
      fallback: 'true',
      meaning: 'Stops trying an endpoint when 10 different lanes failed in a row, but for probes.',
    }),
    leaseMs: setting(parse.integer(1_000, 30_000), {
      env: 'WAYBILL_LEASE_MS',
      fallback: '6000',
      meaning: 'How long a consumer owns a partition without a renewal; another one waits that long after a crash.',
    }),
    flushIntervalMs: setting(parse.integer(5, 1_000), {
      env: 'WAYBILL_FLUSH_INTERVAL_MS',
      fallback: '75',
      meaning: 'How often finished deliveries are written: the window of duplicates after a crash.',
    }),
  })
  .superRefine(({ maxInFlight, maxInFlightPerTenant = 0, leaseMs, flushIntervalMs }, context) => {
    if (maxInFlightPerTenant > maxInFlight) {
      const message = `must not exceed WAYBILL_MAX_IN_FLIGHT (${maxInFlight})`;
      context.addIssue({ code: 'custom', path: ['maxInFlightPerTenant'], message });
    }
    // A renewal is due every third of the lease and waits for the running flush.
    if (flushIntervalMs * 3 > leaseMs) {
      const message = `must be at most a third of WAYBILL_LEASE_MS (${leaseMs})`;
      context.addIssue({ code: 'custom', path: ['flushIntervalMs'], message });
    }
  })
  .transform(({ maxInFlightPerTenant, ...given }) => ({
    ...given,
    maxInFlightPerTenant: maxInFlightPerTenant ?? given.maxInFlight,
  }));

export const outbox = z.object({
  shards: setting(parse.integer(1, 64), {
    env: 'WAYBILL_OUTBOX_SHARDS',
    fallback: '4',
    meaning: 'Shards that relays share; stored at the first migration and fixed from then on.',
  }),
});

export const reconciliation = z.object({
  afterMs: setting(parse.integer(100, 3_600_000), {
    env: 'WAYBILL_RECONCILE_AFTER_MS',
    fallback: '120000',
    meaning:
      'Age at which the relay checks that a published event has reached the delivery side; lost ones are published again.',
  }),
});

export const retention = z.object({
  outboxDays: setting(parse.integer(1, 3_650), {
    env: 'WAYBILL_OUTBOX_RETENTION_DAYS',
    fallback: '30',
    meaning: 'Days that published events stay in the outbox: for republication, and to know a repeated event id.',
  }),
  historyDays: setting(parse.integer(1, 3_650), {
    env: 'WAYBILL_HISTORY_RETENTION_DAYS',
    fallback: '90',
    meaning: 'Days that finished deliveries and their attempts are kept.',
  }),
});

export const shutdown = z.object({
  timeoutMs: setting(parse.integer(1_000, 600_000), {
    env: 'WAYBILL_SHUTDOWN_TIMEOUT_MS',
    fallback: '60000',
    meaning: 'How long a stop may take before the process leaves with code 1; longer than the slowest delivery.',
  }),
});

/** Every group, in the order of the reference; ports here stand for those of all processes. */
export const groups = {
  database,
  kafka,
  schemaRegistry,
  http,
  management: management(9100),
  log,
  topics,
  encryption,
  access,
  targets,
  delivery,
  outbox,
  reconciliation,
  retention,
  shutdown,
};

/** Names known to any process are known to each: they are deployed with one environment. */
export const knownNames: readonly string[] = Object.values(groups).flatMap((group) =>
  Object.values((group instanceof z.ZodPipe ? group.in : group).shape).map((schema) => settingInfos.get(schema)!.env),
);
