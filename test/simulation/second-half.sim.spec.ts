// The second half of the seeds that every run of the tests plays.
import { expect, it } from 'vitest';
import { playHalf } from './play-seeds.ts';

it('keeps every promise in 5,000 random runs', { timeout: 900_000 }, async () => {
  expect(await playHalf(2)).toBe(5_000);
});
