// The exit codes of --check, and what it prints.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { check } from './check.ts';
import { writeHistory } from './checker/example/history-files.ts';
import { makeHistory } from './checker/example/make-history.ts';

const folder = mkdtempSync(join(tmpdir(), 'waybill-check-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function checked(path: string) {
  let text = '';
  const out = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += String(chunk);
      done();
    },
  });
  return { code: await check(path, out), text };
}

test('0 for a history that passes, with one JSON object as the last line', async () => {
  writeHistory(folder, makeHistory(1));
  const { code, text } = await checked(folder);
  expect(code).toBe(0);
  expect(text).toContain('\nPassed.\n');
  expect(JSON.parse(text.trim().split('\n').at(-1)!)).toMatchObject({ folder, passed: true });
});

test('1 for one that fails, with the check that objects', async () => {
  const history = makeHistory(1);
  history.recoveries = [];
  writeHistory(folder, history);
  const { code, text } = await checked(folder);
  expect(code).toBe(1);
  expect(text).toContain('\nFailed: C13.\n');
});

test('2 where no history is, with the reason', async () => {
  const { code, text } = await checked(join(folder, 'nowhere'));
  expect(code).toBe(2);
  expect(text).toContain('manifest.json');
});
