// Checks the two queues that a lane may stand in, against plain arrays.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DueHeap, Fifo } from './index.ts';

test('a heap gives what is due, the earliest first, and keeps the rest', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100 })), fc.integer({ min: 0, max: 100 }), (instants, now) => {
      const heap = new DueHeap<string>();
      for (const [index, at] of instants.entries()) heap.push(at, `item ${index}`);
      expect(heap.nextAt).toBe(instants.length === 0 ? null : Math.min(...instants));
      const popped: number[] = [];
      for (let due = heap.pop(now); due; due = heap.pop(now)) popped.push(due.at);
      expect(popped).toEqual(instants.filter((at) => at <= now).toSorted((a, b) => a - b));
      expect(heap.size).toBe(instants.length - popped.length);
    }),
  );
});

test('a heap returns the entry, so that a stale one can be told from its successor', () => {
  const heap = new DueHeap<string>();
  const [stale, valid] = [heap.push(1, 'lane'), heap.push(2, 'lane')];
  expect(heap.pop(5)).toBe(stale);
  expect(heap.pop(5)).toBe(valid);
  expect(heap.pop(5)).toBeUndefined();
});

test('a fifo gives what came first, however long it grew', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -3_000, max: 3_000 }), { maxLength: 40 }), (moves) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      let next = 0;
      for (const move of moves) {
        for (let pushed = 0; pushed < move; pushed++) {
          fifo.push(next);
          model.push(next++);
        }
        for (const expected of model.splice(0, Math.max(0, -move))) expect(fifo.shift()).toBe(expected);
        expect([fifo.size, fifo.peek()]).toEqual([model.length, model[0]]);
      }
      while (model.length > 0) expect(fifo.shift()).toBe(model.shift());
      expect(fifo.shift()).toBeUndefined();
    }),
    { numRuns: 30 },
  );
});
