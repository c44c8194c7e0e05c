// The lock file between two commands on the same stack.
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { withLock } from './lock.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'waybill-lock-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

it('lets one work at a time and tells the other whom it waits for', async () => {
  const order: string[] = [];
  const waits: number[] = [];
  const work = (name: string) => async () => {
    order.push(`${name} begins`);
    await new Promise((resolve) => setImmediate(resolve));
    order.push(`${name} ends`);
  };
  const both = ['a', 'b'].map((name) => withLock(join(dir, 'lock'), (pid) => waits.push(pid), work(name)));
  await Promise.all(both);
  const [first, second] = order[0] === 'a begins' ? ['a', 'b'] : ['b', 'a'];
  expect(order).toEqual([`${first} begins`, `${first} ends`, `${second} begins`, `${second} ends`]);
  expect(waits).toEqual([process.pid]);
  expect(readdirSync(dir)).toEqual([]);
});

it.each([
  ['whose owner is gone', '{"pid":1,"startedAt":"another boot/1"}'],
  ['that is torn', '{"pid":'],
])('takes over a file %s', async (_, content) => {
  writeFileSync(join(dir, 'lock'), content);
  await expect(withLock(join(dir, 'lock'), () => {}, async () => 'done')).resolves.toBe('done'); // prettier-ignore
  expect(readdirSync(dir)).toEqual([]);
});

it('gives the lock back after a fault', async () => {
  const failing = withLock(join(dir, 'lock'), () => {}, () => Promise.reject(new Error('no'))); // prettier-ignore
  await expect(failing).rejects.toThrow('no');
  expect(readdirSync(dir)).toEqual([]);
});
