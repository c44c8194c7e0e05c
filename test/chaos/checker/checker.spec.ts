// The checker accepts valid histories, and each check objects to what it is there for: a checker that cannot fail is a defect.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { controls, type Pick } from './controls/index.ts';
import { type History, writeHistory } from './example/history-files.ts';
import { makeHistory } from './example/make-history.ts';
import { checkHistory, checks, summarise } from './index.ts';

const SEEDS = [1, 2];

const root = mkdtempSync(join(tmpdir(), 'waybill-checker-'));
afterAll(() => rmSync(root, { recursive: true }));

let folders = 0;
async function judge(history: History) {
  const folder = join(root, String(++folders));
  writeHistory(folder, history);
  const verdict = await checkHistory(folder);
  rmSync(folder, { recursive: true });
  return verdict;
}

describe('a valid history', () => {
  test.each([...SEEDS, 4, 5, 6, 7, 8])('of seed %i passes all fifteen checks', async (seed) => {
    const verdict = await judge(makeHistory(seed));
    expect(summarise(verdict)).toMatch(/Passed\.\n$/);
    expect(Object.values(verdict.checks).map((check) => check.verdict)).toEqual(Object.keys(checks).map(() => 'pass'));
  });

  test('has something of everything that the checks excuse', async () => {
    const verdict = await judge(makeHistory(1));
    const figures = Object.values(verdict.checks).flatMap((check) => Object.entries(check.figures));
    const counts = Object.fromEntries(figures.map(([name, value]) => [name, Number(value)]));
    for (const name of [
      'expired',
      'exhausted',
      'skipped',
      'waiting for an operator',
      'unknown outcome, committed',
      'unknown outcome, not seen',
      'takeover',
      'timeouts',
      'retries',
      'requests without a record',
      'healthy deliveries while nobody failed',
    ])
      expect(counts[name], name).toBeGreaterThan(0);
  });
});

describe.each(SEEDS)('of the history of seed %i', (seed) => {
  const valid = makeHistory(seed);
  /** Another one with each seed, the same one every time. */
  const pick: Pick = (from) => {
    const one = from[Math.floor((from.length * seed) / (SEEDS.length + 1))];
    if (one === undefined) throw new Error('the history has nothing to choose from');
    return one;
  };

  test.each(controls.map((control) => [control.check, control.name, control] as const))(
    '%s objects to %s',
    async (check, _name, { mutate }) => {
      const history = structuredClone(valid);
      mutate(history, pick);
      const verdict = await judge(history);
      expect(verdict.passed).toBe(false);
      expect(verdict.checks[check].verdict, summarise(verdict)).toBe('fail');
    },
  );
});

test('a machine that stood still excuses a late retry, and no early one', async () => {
  const judged = async (name: string) => {
    const history = makeHistory(1);
    controls.find((control) => control.name === name)!.mutate(history, ([first]) => first!);
    history.stalls = [{ from: history.manifest.startedAt, until: history.manifest.endedAt }];
    return (await judge(history)).checks.C10.verdict;
  };
  expect(await judged('a retry long after it was due')).toBe('pass');
  expect(await judged('a retry before it was due')).toBe('fail');
});

test('every check has at least two controls', () => {
  const counts = Map.groupBy(controls, ({ check }) => check);
  for (const check of Object.keys(checks)) expect(counts.get(check as 'C1')?.length, check).toBeGreaterThanOrEqual(2);
});
