// What is left in a folder after it was judged, with the checker's own example of a history.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { writeHistory } from './checker/example/history-files.ts';
import { makeHistory } from './checker/example/make-history.ts';
import { BrokenHistory } from './checker/index.ts';
import { judge } from './judge.ts';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'chaos-judge-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it('writes verdict and report beside a history, and says the same in a line of JSON', async () => {
  writeHistory(folder, makeHistory(1));
  const { passed, summary, line } = await judge(folder);
  expect(passed).toBe(true);
  expect(summary).toContain('Passed.');
  const report = join(folder, 'report.html');
  expect(JSON.parse(JSON.stringify(line))).toMatchObject({ passed: true, checks: { C1: 'pass', C15: 'pass' }, report });
  expect(readFileSync(report, 'utf8')).toContain('passed</h1>');
  expect(JSON.parse(readFileSync(join(folder, 'verdict.json'), 'utf8'))).toMatchObject({ passed: true });
});

it('names the check that objects', async () => {
  const history = makeHistory(1);
  history.recoveries = [];
  writeHistory(folder, history);
  const { passed, summary, line } = await judge(folder);
  expect(passed).toBe(false);
  expect(summary).toContain('Failed: C13.');
  expect(line).toMatchObject({ passed: false, checks: { C13: 'fail' } });
});

it('refuses a folder that holds no history, and leaves nothing in it', async () => {
  await expect(judge(folder)).rejects.toThrow(BrokenHistory);
  expect(existsSync(join(folder, 'report.html'))).toBe(false);
});
