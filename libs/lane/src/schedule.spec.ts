// Checks the retry schedule: doubling, the cap, the jitter's bounds, and what a receiver may ask for.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { isExhausted, MAX_RETRY_AFTER_MS, retryDelayMs, type RetryPolicy } from './index.ts';

const policy: RetryPolicy = { maxRetries: 10, initialDelayMs: 100, maxDelayMs: 30_000 };
const [least, most] = [() => 0, () => 1 - Number.EPSILON];

describe('the delay before the next attempt', () => {
  test.each([
    [1, 50, 100],
    [2, 100, 200],
    [3, 200, 400],
    [9, 12_800, 25_600],
    [10, 15_000, 30_000],
    [11, 15_000, 30_000],
    [10_000, 15_000, 30_000],
  ])('after %i failures is %i to %i ms', (failures, from, to) => {
    expect(retryDelayMs(policy, failures, least)).toBe(from);
    expect(retryDelayMs(policy, failures, most)).toBe(to);
  });

  test.each([
    ['a longer Retry-After is obeyed', 5_000, 5_000],
    ['a shorter one changes nothing', 10, 50],
    ['none is needed', undefined, 50],
    ['one beyond an hour is cut to it', 86_400_000, MAX_RETRY_AFTER_MS],
    ['a negative one changes nothing', -5_000, 50],
  ])('%s', (_what, retryAfterMs, delayMs) => {
    expect(retryDelayMs(policy, 1, least, retryAfterMs)).toBe(delayMs);
  });

  it('is a whole number of ms between half of the full delay and all of it, for any policy', () => {
    fc.assert(
      fc.property(
        fc.record({
          maxRetries: fc.nat(100),
          initialDelayMs: fc.integer({ min: 1, max: 3_600_000 }),
          maxDelayMs: fc.integer({ min: 1, max: 86_400_000 }),
        }),
        fc.integer({ min: 1, max: 5_000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (any, failures, chance) => {
          const full = Math.min(any.initialDelayMs * 2 ** (failures - 1), any.maxDelayMs);
          const delayMs = retryDelayMs(any, failures, () => chance);
          expect(Number.isInteger(delayMs)).toBe(true);
          expect(delayMs).toBeGreaterThanOrEqual(Math.floor(full / 2));
          expect(delayMs).toBeLessThanOrEqual(Math.ceil(full));
        },
      ),
    );
  });
});

test.each([
  [10, 10, false],
  [10, 11, true],
  [0, 0, false],
  [0, 1, true],
])('with %i retries, %i failures exhaust the head: %s', (maxRetries, failures, exhausted) => {
  expect(isExhausted({ ...policy, maxRetries }, failures)).toBe(exhausted);
});
