// A dispatcher on a store and a log in memory: which records it is done with, and when it reads no further.
import { FakeClock, seededRandom } from '#clock';
import type { EndpointPolicy } from '#endpoints';
import { encodeRecord, type WaybillEvent } from '#events';
import type { HttpResult } from '#http-delivery';
import { createLogger, createMetrics } from '#telemetry';
import { beforeEach, describe, expect, it } from 'vitest';
import { defaultDispatcherOptions } from './context.ts';
import { Dispatcher } from './dispatcher.ts';
import { createConsumerMetrics } from './metrics.ts';
import type { Sender } from './ports.ts';
import { EVENTS, MemoryLog, TOPIC_PREFIX } from './simulation/memory-log.ts';
import { createMemoryStore, MemoryDatabase } from './simulation/memory-store.ts';

const LEASE_MS = 3_000;
const MOST_RECORDS = 100;
const endpoint: EndpointPolicy = {
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
  enabled: true,
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
  targets: [{ endpointId: endpoint.id, sequence: null }],
  payload: Buffer.from('{}'),
};
const ordered = (n: number, streamId: string): WaybillEvent => ({
  ...unordered,
  eventId: `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`,
  type: 'ONBOARDING_COMPLETED',
  streamId,
  targets: [{ endpointId: endpoint.id, sequence: 1 }],
});

const answered = (): Promise<HttpResult> =>
  Promise.resolve({ kind: 'response', statusCode: 200, headers: {}, bodyHead: '', durationMs: 1 });

let clock: FakeClock;
let database: MemoryDatabase;
let log: MemoryLog;

beforeEach(() => {
  clock = new FakeClock(Date.parse('2026-01-02T03:04:06Z'));
  database = new MemoryDatabase(clock, 1);
  log = new MemoryLog();
});

interface Surroundings {
  policy?: EndpointPolicy;
  send?: Sender['send'];
  onPause?: (partition: number) => void;
}

/** Owns the partition, and has read nothing of it yet. */
async function newOwner(
  holder: string,
  { policy = endpoint, send = answered, onPause = () => undefined }: Surroundings,
): Promise<Dispatcher> {
  const logger = createLogger('delivery-consumer', 'silent');
  const dispatcher = new Dispatcher(
    {
      ...defaultDispatcherOptions,
      topicPrefix: TOPIC_PREFIX,
      leaseMs: LEASE_MS,
      flushIntervalMs: 75,
      maxBufferedRecords: MOST_RECORDS,
      maxUncommittedRecords: 4 * MOST_RECORDS,
      maxInFlight: 8,
      maxInFlightPerTenant: 8,
    },
    {
      store: createMemoryStore(database, holder, clock),
      endpoints: { findPolicies: async () => [policy], findChanged: async () => [], pause: async () => undefined },
      log: {
        produce: async () => undefined,
        commit: async () => undefined,
        pause: onPause,
        resume: () => undefined,
        rewind: () => undefined,
      },
      sender: { send },
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

/** Reads the log from `offset` on, and writes what comes of it. */
async function readAll(dispatcher: Dispatcher, offset = 0): Promise<void> {
  dispatcher.receive(log.read(EVENTS, 0, offset, 100));
  for (let turn = 0; turn < 100; turn++) {
    await new Promise((resolve) => setImmediate(resolve));
    await dispatcher.flush();
  }
}

it('is done with a record whose unordered delivery waits on record, whoever wrote it and whichever copy comes', async () => {
  const policy = { ...endpoint, enabled: false };
  log.append(EVENTS, 0, encodeRecord(unordered, 1));
  const first = await newOwner('first', { policy });
  await readAll(first);
  expect(first.bufferedRecords).toBe(0);
  expect(database.waiting.size).toBe(1);
  // The first one's offsets were not committed: its successor has the delivery from the database, then the record again.
  clock.advance(LEASE_MS + 1);
  const second = await newOwner('second', { policy });
  await second.tend();
  await readAll(second);
  expect(second.bufferedRecords).toBe(0);
});

describe('behind a request that hangs', () => {
  let owner: Dispatcher;
  let pauses: number[];
  let end: number;
  const publish = (streamId: string) => log.append(EVENTS, 0, encodeRecord(ordered(++end, streamId), 1));
  const readMore = async (records: number): Promise<void> => {
    const from = end;
    for (let n = 0; n < records; n++) publish(`stream-${end}`);
    await readAll(owner, from);
  };

  beforeEach(async () => {
    [pauses, end] = [[], 0];
    owner = await newOwner('owner', {
      send: ({ headers }) => (headers['X-Webhook-Stream-Id'] === 'hanging' ? new Promise(() => undefined) : answered()),
      onPause: (partition) => pauses.push(partition),
    });
    publish('hanging');
    await readAll(owner);
  });

  it('is read on: only what is not done yet counts as held in memory', async () => {
    for (let page = 0; page < 3; page++) await readMore(MOST_RECORDS * 0.6);
    expect([owner.bufferedRecords, pauses]).toEqual([1, []]);
  });

  it('is read no further when a crash would have too much read again', async () => {
    for (let page = 0; page < 5; page++) await readMore(MOST_RECORDS * 0.9);
    expect([owner.bufferedRecords, pauses]).toEqual([1, [0]]);
  });
});
