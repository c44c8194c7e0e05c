// Checks what is written together, what follows a commit, and what is forgotten with a lost partition.
import type { CommitResult } from '#deliveries';
import { type Delivery, Lane, OffsetTracker } from '#lane';
import { beforeEach, describe, expect, it } from 'vitest';
import { Journal } from './journal.ts';

const positionOf = (offset: number) => new OffsetTracker().receive(offset, 1, 0)!;
const delivery = (sequence: number, position = positionOf(sequence)): Delivery =>
  ({ sequence, stored: false, positions: [position], event: { eventId: `event-${sequence}` } }) as unknown as Delivery;
const lane = (partition: number) =>
  new Lane({ endpointId: 'endpoint', streamId: `stream-${partition}`, tenantId: 'tenant', partition });
const owns = (...partitions: number[]): CommitResult => ({ owned: new Set(partitions), databaseNow: 0, refused: [] });

let now: number;
let journal: Journal;

beforeEach(() => {
  now = 0;
  journal = new Journal(
    () => now,
    () => now,
  );
});

describe('the journal', () => {
  it('calls a delivery’s records done when its row is committed, not before', () => {
    const position = positionOf(1);
    journal.insert(0, delivery(1, position), 'pending');
    const cut = journal.cut();
    expect(position.isDone).toBe(false);
    journal.committed(cut, owns(0));
    expect([position.isDone, journal.isEmpty]).toEqual([true, true]);
  });

  it('offers the same batch again until it is committed, and what came meanwhile after it', () => {
    journal.insert(0, delivery(1), 'pending');
    const first = journal.cut();
    journal.insert(0, delivery(2), 'pending');
    expect(journal.cut()).toBe(first);
    expect(first.batch.inserted).toHaveLength(1);
    journal.committed(first, owns(0));
    expect(journal.cut().batch.inserted.map((row) => row.delivery.sequence)).toEqual([2]);
  });

  it('writes a lane once a batch, as it stands when the batch is cut', () => {
    const saved = lane(0);
    journal.save(saved);
    saved.delivered = 7;
    journal.save(saved);
    const cut = journal.cut();
    saved.delivered = 8;
    expect(cut.batch.lanes.map(({ delivered }) => delivered)).toEqual([7]);
    expect(saved.unsaved).toBe(1);
    journal.save(saved);
    expect(saved.unsaved).toBe(2);
    journal.committed(cut, owns(0));
    expect(saved.unsaved).toBe(1);
  });

  it('writes no row for the lane of an unordered delivery', () => {
    const unordered = new Lane({
      endpointId: 'endpoint',
      streamId: 'stream',
      tenantId: 'tenant',
      partition: 0,
      unorderedEventId: 'event',
    });
    journal.save(unordered);
    expect(journal.cut().batch.lanes).toEqual([]);
  });

  it('keeps the last of several updates of a delivery', () => {
    const updated = delivery(1);
    journal.update(0, updated, 'parked', 10);
    journal.update(0, updated, 'exhausted', null);
    expect(journal.cut().batch.updated).toEqual([
      { partition: 0, delivery: updated, state: 'exhausted', nextAttemptAt: null },
    ]);
  });

  it('lets nothing follow for a partition that was lost, and lets it for the others', () => {
    const followed: number[] = [];
    for (const partition of [0, 1]) journal.afterCommit(partition, () => followed.push(partition));
    journal.committed(journal.cut(), owns(1));
    expect(followed).toEqual([1]);
  });

  it('forgets what was to be written of a lost partition', () => {
    for (const partition of [0, 1]) {
      journal.insert(partition, delivery(1), 'pending');
      journal.update(partition, delivery(2), 'parked');
      journal.finish(partition, delivery(3), 'delivered');
      journal.command({ partition, id: 'command', result: 'void' });
      journal.save(lane(partition));
    }
    journal.forget(0);
    expect(journal.concerns(0)).toBe(false);
    const { batch, afterCommit } = journal.cut();
    for (const rows of Object.values(batch)) for (const row of rows) expect(row).toMatchObject({ partition: 1 });
    expect(afterCommit.every(({ partition }) => partition === 1)).toBe(true);
  });

  it('tells how old the oldest success is that is not committed', () => {
    expect(journal.oldestFinishAgeMs(5_000)).toBe(0);
    now = 1_000;
    journal.finish(0, delivery(1), 'delivered');
    const cut = journal.cut();
    now = 1_500;
    journal.finish(0, delivery(2), 'delivered');
    expect(journal.oldestFinishAgeMs(2_000)).toBe(1_000);
    journal.committed(cut, owns(0));
    expect(journal.oldestFinishAgeMs(2_000)).toBe(500);
  });
});
