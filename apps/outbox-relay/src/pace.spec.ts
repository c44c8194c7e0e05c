// The rhythm of passes: idle ones grow apart, those that find much leave time for more to gather.
import { expect, it } from 'vitest';
import { Pace } from './pace.ts';

const newPace = () => new Pace({ busyIntervalMs: 4, idleIntervalMs: 50 });

it.each([
  [1, 4],
  [26, 4],
  [100, 15],
  [400, 60],
  [600, 80],
  [1_900, 80],
])('after %i rows waits %i ms', (rows, waitMs) => {
  expect(newPace().after({ rows, isCut: false })).toBe(waitMs);
});

it('goes on at once while a window is cut', () => {
  expect(newPace().after({ rows: 500, isCut: true })).toBe(0);
});

it('doubles the wait of idle passes, and begins anew with the next row', () => {
  const pace = newPace();
  const waits = [0, 0, 0, 0, 0, 1, 0].map((rows) => pace.after({ rows, isCut: false }));
  expect(waits).toEqual([8, 16, 32, 50, 50, 4, 8]);
});
