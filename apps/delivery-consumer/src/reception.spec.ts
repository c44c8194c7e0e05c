// A dispatcher on a store and a log in memory: records that come a second time, to an owner that knows them from the database.
import { FakeClock, seededRandom } from '#clock';
import type { EndpointPolicy } from '#endpoints';
import { encodeRecord, type WaybillEvent } from '#events';
import { createLogger, createMetrics } from '#telemetry';
import { beforeEach, expect, it } from 'vitest';
import { defaultDispatcherOptions } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import { createConsumerMetrics } from './metrics.ts';
import { EVENTS, MemoryLog, TOPIC_PREFIX } from './simulation/memory-log.ts';
import { createMemoryStore, MemoryDatabase } from './simulation/memory-store.ts';

const LEASE_MS = 3_000;
const paused: EndpointPolicy = {
  id: '00000000-0000-4000-8000-00000000000a',
  tenantId: 'acme',
  url: 'https://receiver.example/',
  format: 'signed-json',
  secret: 'a secret that is long enough to sign with',
  secretEncoding: 'utf8',
  timeoutMs: 1_000,
  maxRetries: 3,
  initialDelayMs: 100,
  maxDelayMs: 1_000,
  successStatus: '2xx',
  onExhausted: 'block',
  maxConcurrency: 4,
  enabled: false,
  deleted: false,
  revision: 1,
};
const unordered: WaybillEvent = {
  eventId: '00000000-0000-7000-8000-000000000001',
  type: 'CARD_3DS',
  tenantId: 'acme',
  streamId: 'card-1',
  occurredAt: '2026-01-02T03:04:05Z',
  enqueuedAt: '2026-01-02T03:04:05.123456Z',
  targets: [{ endpointId: paused.id, sequence: null }],
  payload: Buffer.from('{}'),
};

let clock: FakeClock;
let database: MemoryDatabase;
let log: MemoryLog;

beforeEach(() => {
  clock = new FakeClock(Date.parse('2026-01-02T03:04:06Z'));
  database = new MemoryDatabase(clock, 1);
  log = new MemoryLog();
  log.append(EVENTS, 0, encodeRecord(unordered, 1));
});

/** Owns the partition, and has read nothing of it yet. */
async function newOwner(holder: string): Promise<Dispatcher> {
  const logger = createLogger('delivery-consumer', 'silent');
  const dispatcher = new Dispatcher(
    {
      ...defaultDispatcherOptions,
      topicPrefix: TOPIC_PREFIX,
      leaseMs: LEASE_MS,
      flushIntervalMs: 75,
      maxInFlight: 8,
      maxInFlightPerTenant: 8,
    },
    {
      store: createMemoryStore(database, holder, clock),
      endpoints: { findPolicies: async () => [paused], findChanged: async () => [], pause: async () => undefined },
      log: {
        produce: async () => undefined,
        commit: async () => undefined,
        pause: () => undefined,
        resume: () => undefined,
        rewind: () => undefined,
      },
      sender: { send: () => Promise.reject(new Error('the endpoint is paused')) },
      clock,
      random: seededRandom(1),
      logger,
      attemptLogger: logger,
      metrics: createConsumerMetrics(createMetrics('test', '0')),
      isBusy: () => false,
      topicPartitions: 1,
    },
  );
  await dispatcher.prepare();
  dispatcher.assign([0]);
  await dispatcher.tend();
  return dispatcher;
}

/** Reads the log from its beginning, and writes what comes of it. */
async function readAll(dispatcher: Dispatcher): Promise<void> {
  dispatcher.receive(log.read(EVENTS, 0, 0, 100));
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    await dispatcher.flush();
  }
}

it('is done with a record whose unordered delivery waits on record, whoever wrote it and whichever copy comes', async () => {
  const first = await newOwner('first');
  await readAll(first);
  expect(first.bufferedRecords).toBe(0);
  expect(database.waiting.size).toBe(1);
  // The first one's offsets were not committed: its successor has the delivery from the database, then the record again.
  clock.advance(LEASE_MS + 1);
  const second = await newOwner('second');
  await second.tend();
  await readAll(second);
  expect(second.bufferedRecords).toBe(0);
});
