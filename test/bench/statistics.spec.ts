// Checks the benchmark's arithmetic against answers worked out by hand.
import { expect, test } from 'vitest';
import { median, percentile, percentiles, perSecond, rounded } from './statistics.ts';

test.each([
  [[7], 0.5, 7],
  [[1, 2, 3, 4], 0.5, 2],
  [[1, 2, 3, 4], 0.51, 3],
  [[1, 2, 3, 4], 0, 1],
  [[1, 2, 3, 4], 1, 4],
  [[], 0.99, NaN],
])('takes the nearest rank of %j at %d', (sorted, share, expected) => {
  expect(percentile(sorted, share)).toBe(expected);
});

test('summarises values in any order', () => {
  const values = Array.from({ length: 1_000 }, (_, n) => 1_000 - n);
  expect(percentiles(values)).toEqual({ count: 1_000, p50: 500, p95: 950, p99: 990, max: 1_000 });
});

test.each([
  [[3, 1, 2], 2],
  [[4, 1, 2, 3], 2.5],
  [[], NaN],
])('finds the median of %j', (values, expected) => {
  expect(median(values)).toBe(expected);
});

test('counts whole seconds and leaves the broken one out', () => {
  expect(perSecond([999, 1_000, 1_999, 2_000, 3_500], 1_000, 3_600)).toEqual([2, 1]);
  expect(perSecond([1_200], 1_000, 1_900)).toEqual([]);
});

test('rounds to the digits asked for', () => {
  expect([rounded(1.235, 2), rounded(12.5), rounded(0.049, 1)]).toEqual([1.24, 13, 0]);
});
