// Checks that a process that stood still is on record, and one that did not is not.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { readWholeJournal } from './journal.ts';
import { StallWatch } from './stall-watch.ts';

const START = Date.UTC(2026, 0, 2);
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'waybill-stalls-'));
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'], now: START });
});
afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

it('notes when its timer was late, from the last time that it was not', () => {
  const watch = new StallWatch(folder);
  vi.advanceTimersByTime(1_000);
  vi.setSystemTime(START + 1_900); // Nobody got a turn meanwhile.
  vi.advanceTimersByTime(1_000);
  watch[Symbol.dispose]();
  expect(readWholeJournal(join(folder, 'stalls.jsonl'))).toEqual([{ from: START + 1_000, until: START + 2_000 }]);
});
