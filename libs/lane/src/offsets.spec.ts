// Checks which offset may be committed: never one above a record that is not done.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OffsetTracker, type RecordPosition } from './index.ts';

function finish(position: RecordPosition): void {
  while (!position.isDone) position.settle();
}

describe('the offset tracker', () => {
  it('offers the offset after the last record below which all are done', () => {
    const tracker = new OffsetTracker();
    const [first, second, third] = [10, 12, 13].map((offset) => tracker.receive(offset, 1, 100)!);
    second!.settle();
    expect(tracker.committable()).toBeNull();
    first!.settle();
    expect(tracker.committable()).toBe(13);
    third!.settle();
    expect(tracker.committable()).toBe(14);
  });

  it('counts a record done when the last of its deliveries is', () => {
    const tracker = new OffsetTracker();
    const position = tracker.receive(0, 2, 100)!;
    position.settle();
    expect([tracker.committable(), tracker.pending]).toEqual([null, { records: 1, bytes: 100 }]);
    position.settle();
    expect([tracker.committable(), tracker.pending]).toEqual([1, { records: 0, bytes: 0 }]);
  });

  it('counts as pending only what is not done, also behind a record that stays open', () => {
    const tracker = new OffsetTracker();
    const [, second] = [0, 1, 2].map((offset) => tracker.receive(offset, 1, 100)!);
    second!.settle();
    expect([tracker.pending, tracker.uncommitted]).toEqual([{ records: 2, bytes: 200 }, 3]);
  });

  it('ignores offsets that it knows: positions fall back after each rejoin', () => {
    const tracker = new OffsetTracker();
    tracker.receive(5, 1, 1);
    expect([tracker.receive(5, 1, 1), tracker.receive(4, 1, 1), tracker.receive(6, 1, 1)?.offset]).toEqual([
      null,
      null,
      6,
    ]);
  });

  it('offers an offset once, unless a commit may not have counted', () => {
    const tracker = new OffsetTracker();
    tracker.receive(0, 0, 1);
    expect(tracker.committable()).toBe(1);
    tracker.committed(1);
    expect(tracker.committable()).toBeNull();
    tracker.commitAgain();
    expect(tracker.committable()).toBe(1);
  });

  it('has nothing to commit again before anything was done', () => {
    const tracker = new OffsetTracker();
    tracker.receive(0, 1, 1);
    tracker.commitAgain();
    expect(tracker.committable()).toBeNull();
  });

  it('never offers an offset above one that is not done, and all of them in the end', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(3), fc.boolean()), { maxLength: 3_000 }), (records) => {
        const tracker = new OffsetTracker();
        const open = new Set<RecordPosition>();
        let offset = 0;
        for (const [skipped, deliveries, isDoneAtOnce] of records) {
          offset += skipped + 1;
          const position = tracker.receive(offset, deliveries, 1)!;
          if (isDoneAtOnce) finish(position);
          if (!position.isDone) open.add(position);
          expect(tracker.pending).toEqual({ records: open.size, bytes: open.size });
          const committable = tracker.committable();
          const lowest = Math.min(...[...open].map((one) => one.offset));
          expect(committable ?? 0).toBeLessThanOrEqual(lowest);
          if (committable !== null) tracker.committed(committable);
          if (open.size > 5) {
            const [oldest] = open;
            finish(oldest!);
            open.delete(oldest!);
          }
        }
        for (const position of open) finish(position);
        tracker.commitAgain();
        expect(tracker.committable()).toBe(records.length === 0 ? null : offset + 1);
        expect([tracker.pending, tracker.uncommitted]).toEqual([{ records: 0, bytes: 0 }, 0]);
      }),
      { numRuns: 30 },
    );
  });
});
