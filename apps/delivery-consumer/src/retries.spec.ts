// Checks that what is read from the database is not taken into memory when memory has known better meanwhile.
import { type Deferred, deferred, FakeClock } from '#clock';
import { type BlockReason, Lane, type LaneMode } from '#lane';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Context } from './context.ts';
import { Partition } from './partition.ts';
import { isApplicable, Retries } from './retries.ts';
import type { Runner } from './runner.ts';

const parkedLane = (streamId: string) => {
  const lane = new Lane({ endpointId: 'endpoint', streamId, tenantId: 'tenant', partition: 0 });
  lane.block('parked', 'failed', 0);
  return lane;
};

describe('the sweeper', () => {
  let partition: Partition;
  let adopted: string[];
  let begun: Deferred<void>;
  let reading: Deferred<Lane[]>;
  let retries: Retries;

  beforeEach(() => {
    partition = new Partition(0);
    partition.phase = 'owned';
    adopted = [];
    begun = deferred();
    reading = deferred<Lane[]>();
    const context = {
      options: { sweepIntervalMs: 1_000 },
      clock: new FakeClock(),
      databaseClock: { now: () => 0 },
      partitions: new Map([[0, partition]]),
      endpoints: { closed: () => [], dueForProbe: () => [], load: async () => undefined },
      store: {
        findOpenCommands: async () => [],
        findDueLanes: () => {
          begun.resolve();
          return reading.promise;
        },
        findDueUnordered: async () => [],
        findHaltedEndpoints: async () => [],
      },
    } as unknown as Context;
    retries = new Retries(context, { adopt: (lane: Lane) => adopted.push(lane.streamId) } as unknown as Runner);
  });

  it('adopts the lanes that are due', async () => {
    const run = retries.runOnce();
    await begun.promise;
    reading.resolve([parkedLane('a'), parkedLane('b')]);
    await run;
    expect(adopted).toEqual(['a', 'b']);
  });

  it('leaves out a lane that left memory while it was read: its row may say more by now', async () => {
    const run = retries.runOnce();
    await begun.promise;
    const [gone, due] = [parkedLane('gone'), parkedLane('due')];
    partition.evict(gone.key);
    reading.resolve([gone, due]);
    await run;
    expect(adopted).toEqual(['due']);
  });

  it('takes nothing for a partition that was lost while it was read', async () => {
    const run = retries.runOnce();
    await begun.promise;
    partition.phase = 'gone';
    reading.resolve([parkedLane('a')]);
    await run;
    expect(adopted).toEqual([]);
  });
});

describe('an operator command', () => {
  const lane = (mode: LaneMode, reason: BlockReason | null) => ({ mode, reason, delivered: 4 });
  const head = { sequence: 5 };
  const later = { sequence: 7 };

  it.each([
    ['a retry of the head', 'retry', 5, lane('halted', 'exhausted'), head, true],
    ['a retry of a lane whose record is missing', 'retry', 5, lane('halted', 'event_lost'), later, true],
    ['a retry of a lane in conflict', 'retry', 5, lane('halted', 'sequence_conflict'), undefined, true],
    ['no command for what is not the head', 'retry', 6, lane('halted', 'exhausted'), head, false],
    ['no command for an open lane', 'retry', 5, lane('open', null), undefined, false],
    ['a skip of the head', 'skip', 5, lane('parked', 'failed'), head, true],
    ['a skip of a sequence without a record, when later ones wait', 'skip', 5, lane('parked', 'gap'), later, true],
    ['the same once the event is given up', 'skip', 5, lane('halted', 'event_lost'), later, true],
    ['no skip when nothing waits', 'skip', 5, lane('parked', 'gap'), undefined, false],
    [
      'no skip of a lane in conflict: its head is another event',
      'skip',
      5,
      lane('halted', 'sequence_conflict'),
      head,
      false,
    ],
    ['the word that an event is lost', 'event_lost', 5, lane('parked', 'gap'), later, true],
    ['not when its record has come', 'event_lost', 5, lane('parked', 'gap'), head, false],
    ['not when the lane has halted', 'event_lost', 5, lane('halted', 'exhausted'), later, false],
    ['not when the lane has moved on', 'event_lost', 4, lane('parked', 'gap'), later, false],
  ] as const)('applies: %s', (_, kind, sequence, at, next, expected) => {
    expect(isApplicable({ kind, sequence }, at, next)).toBe(expected);
  });
});
