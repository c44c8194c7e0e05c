// Negative controls: a checker that cannot fail is a defect, so each of its rules is shown a history that breaks it.
import { FakeClock } from '#clock';
import type { AttemptRow } from '#deliveries';
import type { Delivery } from '#lane';
import { beforeEach, describe, expect, it } from 'vitest';
import { Checker } from './checker.ts';
import { MemoryDatabase } from './memory-store.ts';
import type { Exchange } from './receiver.ts';
import { MemoryLog } from './memory-log.ts';
import { payloadOf, type Scenario, uuid } from './scenario.ts';
import { simulate } from './world.ts';

const endpoint = uuid('e', 0);
const scenario: Scenario = {
  seed: 1,
  partitions: 1,
  consumers: 1,
  endpoints: [{ id: endpoint, exists: true, maxConcurrency: 2, maxRetries: 2, onExhausted: 'block', windows: [] }],
  events: [1, 2, 3].map((sequence) => ({
    id: uuid('a', sequence),
    stream: 'stream-1',
    partition: 0,
    at: 1_000 * sequence,
    type: 'TEST',
    targets: [{ endpoint, sequence }],
    isPoison: false,
    hasPayloadFault: false,
    lateMs: 0,
    repeats: 0,
    conflictId: null,
  })),
  actions: [],
  healAt: 5_000,
  options: {
    maxLanes: 100,
    maxQueuedPerLane: 10,
    maxBufferedRecords: 100,
    maxWaitMs: 1_000,
    pageSize: 10,
    maxInFlight: 10,
    circuitBreaker: true,
    ticketLoss: 0,
    ticketDouble: 0,
    storeLatencyMs: 0,
    netLatencyMs: 0,
  },
};

describe('the judgement of a whole run', () => {
  it('accepts a calm run: three requests, nothing twice', async () => {
    expect(await simulate(scenario)).toMatchObject({ violation: null, exchanges: 3 });
  });

  it.each<[string, Scenario]>([
    ['an event that never came', { ...scenario, events: [{ ...scenario.events[0]!, lateMs: 1e9 }] }],
    ['a sequence that is missing', { ...scenario, events: scenario.events.filter((_, index) => index !== 1) }],
  ])('objects to %s', async (_what, broken) => {
    expect((await simulate(broken)).violation?.message).toMatch(/not at rest/);
  });
});

describe('the checker', () => {
  let clock: FakeClock;
  let database: MemoryDatabase;
  let checker: Checker;

  beforeEach(() => {
    clock = new FakeClock();
    database = new MemoryDatabase(clock, 1);
    database.owners.set(0, { ...noOwner, holder: 'one', epoch: 1, leaseUntil: Infinity });
    checker = new Checker(scenario, database);
  });

  const exchange = (sequence: number, fields: Partial<Exchange> = {}): Exchange => ({
    consumer: 'one',
    endpoint,
    eventId: uuid('a', sequence),
    stream: 'stream-1',
    sequence,
    attempt: 1,
    epoch: 1,
    type: 'TEST',
    body: Buffer.from(payloadOf(uuid('a', sequence))),
    sentAt: clock.now(),
    wasHeldUp: false,
    acceptedAt: null,
    result: null,
    resultAt: null,
    ...fields,
  });

  function answer(sent: Exchange, statusCode: number, headers = {}): Exchange {
    sent.result = { kind: 'response', statusCode, headers, bodyHead: '', durationMs: 1 };
    sent.resultAt = clock.now();
    checker.onResult(sent);
    return sent;
  }

  function succeed(sent: Exchange): Exchange {
    checker.onSend(sent);
    clock.advance(1);
    sent.acceptedAt = clock.now();
    checker.onAccept(sent);
    clock.advance(1);
    return answer(sent, 200);
  }

  it('accepts successes in order', () => {
    expect(() => [1, 2, 3].forEach((sequence) => succeed(exchange(sequence)))).not.toThrow();
  });

  it('objects to an event that was never published', () => {
    expect(() => checker.onSend(exchange(1, { eventId: uuid('b', 1) }))).toThrow(/phantom/);
  });

  it('objects to another sequence', () => {
    expect(() => checker.onSend(exchange(1, { sequence: 2 }))).toThrow(/identity/);
  });

  it('objects to a start before the predecessor is terminal, also when its answer was lost', () => {
    const lost = exchange(1);
    checker.onSend(lost);
    lost.acceptedAt = clock.now();
    lost.result = { kind: 'failed', errorClass: 'timeout', durationMs: 1, bytesSent: true };
    checker.onResult(lost);
    expect(() => checker.onSend(exchange(2))).toThrow(/premature start/);
  });

  it('objects to a first success after a later one', () => {
    const late = exchange(1);
    checker.onSend(late);
    database.owners.set(0, { ...noOwner, holder: 'one', epoch: 2, leaseUntil: Infinity });
    const overtaking = exchange(1, { attempt: 1, epoch: 2 });
    checker.onSend(overtaking);
    answer(overtaking, 200);
    succeed(exchange(2, { epoch: 2 }));
    late.acceptedAt = clock.now();
    expect(() => checker.onAccept(late)).toThrow(/order/);
  });

  it('objects to a second request after a success, without a fault that excuses it', () => {
    succeed(exchange(1));
    expect(() => checker.onSend(exchange(1, { attempt: 2 }))).toThrow(/duplicate/);
    expect(() => checker.onSend(exchange(1, { attempt: 2, epoch: 2 }))).toThrow(/duplicate/);
  });

  it('objects to other bytes, and to another type', () => {
    expect(() => checker.onSend(exchange(1, { body: Buffer.from('{}') }))).toThrow(/identity/);
    expect(() => checker.onSend(exchange(1, { type: 'OTHER' }))).toThrow(/identity/);
  });

  it('objects to more requests at once than the endpoint allows', () => {
    // Its limit is 2. Epochs of their own, so that they are of different lanes, and held up, so that no lease is asked for.
    for (const epoch of [1, 2]) checker.onSend(exchange(1, { epoch, wasHeldUp: true }));
    expect(() => checker.onSend(exchange(1, { epoch: 3, wasHeldUp: true }))).toThrow(/limit/);
  });

  it('objects to a retry before its time, also before the one that the receiver asked for', () => {
    checker.onSend(exchange(1));
    answer(checker.exchanges[0]!, 503, { 'retry-after': '1' });
    clock.advance(999);
    expect(() => checker.onSend(exchange(1, { attempt: 2 }))).toThrow(/early/);
  });

  it('objects to a request to an endpoint that has been closed for long', () => {
    checker.endpointChanged(endpoint, true);
    clock.advance(3_000);
    expect(() => checker.onSend(exchange(1))).toThrow(/closed/);
  });

  it('objects to a new request while a success has been unrecorded for a second', () => {
    succeed(exchange(1));
    clock.advance(1_001);
    expect(() => checker.onSend(exchange(2))).toThrow(/unrecorded/);
  });

  it('objects to a delivery that gave up without a dead letter', () => {
    for (const sequence of [1, 2, 3]) succeed(exchange(sequence));
    database.saveLane({ ...lane, delivered: 3 });
    for (const { eventId, epoch, attempt } of checker.exchanges)
      database.insertAttempt(attemptRow({ eventId, epoch, number: attempt }));
    expect(() => checker.checkEnd(new MemoryLog())).not.toThrow();
    database.exhausted.add(`${endpoint} ${uuid('a', 1)}`);
    expect(() => checker.checkEnd(new MemoryLog())).toThrow(/dead letter/);
  });

  it('objects to an attempt that hides one of an epoch before, of which there is no record', () => {
    checker.onSend(exchange(1));
    answer(checker.exchanges[0]!, 500);
    clock.advance(10_000);
    database.owners.set(0, { ...noOwner, holder: 'one', epoch: 2, leaseUntil: Infinity });
    succeed(exchange(1, { epoch: 2 }));
    database.saveLane({ ...lane, delivered: 3 });
    database.insertAttempt(attemptRow({ eventId: uuid('a', 1), epoch: 2, number: 1 }));
    expect(() => checker.checkEnd(new MemoryLog())).toThrow(/hides attempt 1 of epoch 1/);
  });

  it('objects to an attempt number that is used twice', () => {
    const failed = exchange(1);
    checker.onSend(failed);
    checker.onResult(failed);
    expect(() => checker.onSend(exchange(1))).toThrow(/made twice/);
  });

  it('objects to two requests of a lane in flight', () => {
    checker.onSend(exchange(1));
    expect(() => checker.onSend(exchange(1, { attempt: 2 }))).toThrow(/in flight/);
  });

  it('objects to a request of an owner whose lease another has taken', () => {
    database.owners.set(0, { ...noOwner, holder: 'two', epoch: 2, leaseUntil: Infinity });
    expect(() => checker.onSend(exchange(1))).toThrow(/no lease/);
  });

  it('objects to an offset over an event that is nowhere', () => {
    expect(() => checker.checkDurable(scenario.events[0]!, () => 'committed 1')).toThrow(/nowhere/);
  });

  it('objects to a record that says delivered without a 2xx', () => {
    const delivery = {
      event: { eventId: uuid('a', 1), streamId: 'stream-1' },
      endpointId: endpoint,
      sequence: 1,
    } as unknown as Delivery;
    database.insertFinished({ partition: 0, delivery, state: 'delivered', reason: null, finishedAt: 0 });
    database.saveLane({ ...lane, delivered: 3 });
    expect(() => checker.checkEnd(new MemoryLog())).toThrow(/truth/);
  });

  it('objects to a lane that stands elsewhere than at its last sequence', () => {
    database.saveLane({ ...lane, delivered: 2 });
    expect(() => checker.checkEnd(new MemoryLog())).toThrow(/stands at 2, not 3/);
  });
});

function attemptRow({ eventId, epoch, number }: { eventId: string; epoch: number; number: number }): AttemptRow {
  const row: Partial<AttemptRow> = { endpointId: endpoint, epoch, number, statusCode: 200, outcome: 'success' };
  return { ...row, event: { eventId }, earlierAttemptsPossible: false } as unknown as AttemptRow;
}

const noOwner = { uncleanEpoch: 0, uncleanAt: null };

const lane = {
  endpointId: endpoint,
  streamId: 'stream-1',
  tenantId: 'tenant',
  partition: 0,
  delivered: 0,
  mode: 'open',
  attempts: 0,
  nextAttemptAt: null,
  headEventId: null,
  blockedSince: null,
  lastErrorClass: null,
  reason: null,
} as const;
