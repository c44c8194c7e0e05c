// Checks the growth, the cap and the spread of the backoff.
import { expect, test } from 'vitest';
import { backoffMs } from './backoff.ts';

test.each([
  [1, 50, 100],
  [2, 100, 200],
  [3, 200, 400],
  [6, 1_600, 3_200],
  [7, 2_500, 5_000],
  [2_000, 2_500, 5_000],
])('failure %i waits between %i and %i ms', (attempt, lowest, highest) => {
  expect(backoffMs(attempt, () => 0)).toBe(lowest);
  expect(backoffMs(attempt, () => 1)).toBe(highest);
});

test('takes its limits from the caller', () => {
  expect(backoffMs(3, () => 1, { initialMs: 10, maxMs: 25 })).toBe(25);
});
