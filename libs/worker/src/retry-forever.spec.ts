// Checks how a process waits for something that is down.
import { FakeClock } from '#clock';
import { expect, test } from 'vitest';
import { retryForever } from './retry-forever.ts';

function setUp() {
  const clock = new FakeClock();
  const logs: string[] = [];
  const log = (_fields: object, message: string) => void logs.push(message);
  return { clock, logs, options: { clock, logger: { info: log, warn: log, error: log }, random: () => 1 } };
}

test('resolves with the first success, and logs the failure and its end once each', async () => {
  const { clock, logs, options } = setUp();
  let tries = 0;
  const seen: number[] = [];
  const result = retryForever(
    'PostgreSQL',
    () => (++tries < 5 ? Promise.reject(new Error('refused')) : Promise.resolve('up')),
    { ...options, onFailure: (_description, failures) => void seen.push(failures) },
  );
  await clock.advanceAsync(100 + 200 + 400 + 800);
  expect(await result).toBe('up');
  expect(seen).toEqual([1, 2, 3, 4]);
  expect(logs).toEqual(['PostgreSQL failed; it is tried again', 'PostgreSQL works again']);
});

test('gives up on a fault that says it will not mend itself', async () => {
  const { options } = setUp();
  const fault = Object.assign(new Error('12 partitions, not 24'), { retryable: false });
  await expect(retryForever('topics', () => Promise.reject(fault), options)).rejects.toBe(fault);
});

test('ends when the signal aborts while it waits', async () => {
  const { clock, options } = setUp();
  const controller = new AbortController();
  const result = retryForever('Kafka', () => Promise.reject(new Error('refused')), {
    ...options,
    signal: controller.signal,
  });
  await clock.advanceAsync(10);
  controller.abort(new Error('stopped by SIGTERM'));
  await expect(result).rejects.toThrow('stopped by SIGTERM');
  expect(clock.pending).toBe(0);
});
