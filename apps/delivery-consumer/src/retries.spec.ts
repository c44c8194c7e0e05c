// Checks that what is read from the database is not taken into memory when memory has known better meanwhile.
import { type Deferred, deferred, FakeClock } from '#clock';
import { Lane } from '#lane';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Context } from './context.ts';
import { Partition } from './partition.ts';
import { Retries } from './retries.ts';
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
