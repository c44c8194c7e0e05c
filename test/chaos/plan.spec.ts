// The plan of faults: repeatable, dense enough, and with every kind in it.
import { describe, expect, it } from 'vitest';
import { faultKinds } from './kinds/index.ts';
import { phasesOf, planFaults } from './plan.ts';

const MINUTE_MS = 60_000;
const all = faultKinds({ brokers: 3, only: null, topicLoss: false });
const summary = (plan: ReturnType<typeof planFaults>) =>
  plan.map(({ gapMs, kind, target, seed }) => [gapMs, kind.row, kind.kind, target, seed]);

describe('planFaults', () => {
  it('gives the same plan for the same seed, and another for another', () => {
    expect(summary(planFaults(all, 10 * MINUTE_MS, 1))).toEqual(summary(planFaults(all, 10 * MINUTE_MS, 1)));
    expect(summary(planFaults(all, 10 * MINUTE_MS, 1))).not.toEqual(summary(planFaults(all, 10 * MINUTE_MS, 2)));
  });

  it.each([1, 2, 3, 4, 5])('has every kind among the first hundred faults of half an hour (seed %i)', (seed) => {
    const plan = planFaults(all, 30 * MINUTE_MS, seed);
    expect(new Set(plan.slice(0, 100).map(({ kind }) => kind))).toEqual(new Set(all));
  });

  it('is empty where no kind is left', () => {
    expect(planFaults([], MINUTE_MS, 1)).toEqual([]);
  });
});

it.each([1, 5, 30, 600])('a run of %i minutes has room for a hundred faults in half an hour', (minutes) => {
  const { moodyAfterMs, faultsAfterMs, stormAfterMs } = phasesOf(minutes * MINUTE_MS);
  expect(moodyAfterMs).toBeGreaterThanOrEqual(7_000);
  expect(faultsAfterMs).toBeLessThanOrEqual(180_000);
  expect(stormAfterMs).toBeGreaterThan(faultsAfterMs);
  // 9 s between two on average.
  expect((minutes * MINUTE_MS - stormAfterMs) / 9_000).toBeGreaterThan((minutes / 30) * 100);
});

describe('faultKinds', () => {
  it('leaves brokers alone where there is one', () => {
    const kinds = faultKinds({ brokers: 1, only: null, topicLoss: false });
    expect(kinds.filter(({ targets }) => targets.some((target) => target.startsWith('broker')))).toEqual([]);
    expect(kinds.length).toBeGreaterThan(10);
  });

  it('can be narrowed to rows of the fault matrix', () => {
    const kinds = faultKinds({ brokers: 3, only: ['F4', 'F15'], topicLoss: false });
    expect(new Set(kinds.map(({ row }) => row))).toEqual(new Set(['F4', 'F15']));
  });

  it('loses a topic only when asked to', () => {
    expect(all.map(({ row }) => row)).not.toContain('F12');
    expect(faultKinds({ brokers: 3, only: null, topicLoss: true }).map(({ row }) => row)).toContain('F12');
  });
});
