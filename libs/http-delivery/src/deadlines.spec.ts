// Checks that attempts with one timer between them still have a deadline each, and that nothing is left behind.
import { setImmediate as turn } from 'node:timers/promises';
import { FakeClock } from '#clock';
import { beforeEach, expect, test } from 'vitest';
import { Deadlines } from './deadlines.ts';

let clock: FakeClock;
let deadlines: Deadlines;
let stopped: string[];

beforeEach(() => {
  clock = new FakeClock();
  deadlines = new Deadlines(clock);
  stopped = [];
});

/** Joins now; returns how it leaves. */
function join(name: string, timeoutMs: number): () => void {
  const member = { startedAt: clock.monotonic(), stop: () => void stopped.push(`${name}@${clock.monotonic()}`) };
  deadlines.join(timeoutMs, member);
  return () => deadlines.leave(timeoutMs, member);
}

async function advance(ms: number): Promise<string[]> {
  for (let i = 0; i < ms; i++) {
    clock.advance(1);
    await turn();
  }
  return stopped;
}

test('each is stopped when its own time is over, however many there are', async () => {
  join('a', 10);
  await advance(3);
  join('b', 10);
  join('c', 5);
  await advance(4);
  join('d', 10);
  expect(await advance(30)).toEqual(['c@8', 'a@10', 'b@13', 'd@17']);
  expect(clock.pending).toBe(0);
});

test('those of equal time have one timer, which is gone with the last of them', async () => {
  const leave = [join('a', 10), join('b', 10), join('c', 10)];
  expect(clock.pending).toBe(1);
  for (const each of leave) each();
  expect(clock.pending).toBe(0);
  expect(await advance(20)).toEqual([]);
});

test('one that came when the first had left has its whole time', async () => {
  const leave = join('a', 10);
  await advance(9);
  join('b', 10);
  leave();
  expect(await advance(20)).toEqual(['b@19']);
});

test('one that left is never stopped, nor does it leave twice', async () => {
  const leave = join('a', 10);
  leave();
  join('b', 10);
  leave();
  expect(await advance(20)).toEqual(['b@10']);
});

test('one that is late is stopped after what lies in the sockets has been read', async () => {
  join('a', 10);
  clock.advance(15);
  expect(stopped).toEqual([]);
  await turn();
  expect(stopped).toEqual(['a@15']);
});
