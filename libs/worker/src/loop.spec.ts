// Checks the loop's rhythm, its stubbornness and its stop, on a clock that stands still.
import { deferred, FakeClock } from '#clock';
import { describe, expect, test } from 'vitest';
import { Loop, type LoopResult } from './loop.ts';

function makeLoop(runOnce: (signal: AbortSignal, run: number) => Promise<LoopResult>) {
  const clock = new FakeClock();
  const logs: string[] = [];
  const log = (level: string) => (_fields: object, message: string) => void logs.push(`${level} ${message}`);
  const counter = { runs: 0 };
  const loop = new Loop({
    name: 'relay pass',
    runOnce: (signal) => runOnce(signal, ++counter.runs),
    clock,
    logger: { info: log('info'), warn: log('warn'), error: log('error') },
    random: () => 1,
  });
  return { loop, clock, logs, counter };
}

const every = (nextInMs: number) => () => Promise.resolve({ nextInMs });
const outage = (message: string) => Object.assign(new Error(message), { code: 'ECONNREFUSED' });

describe('rhythm', () => {
  test('runs again after the delay that the step asked for', async () => {
    const { loop, clock, counter } = makeLoop(every(50));
    loop.start();
    await clock.advanceAsync(49);
    expect(counter.runs).toBe(1);
    await clock.advanceAsync(1);
    expect(counter.runs).toBe(2);
    await loop.stop();
  });

  test('runs at once again while the step says there is more', async () => {
    const { loop, clock, counter } = makeLoop((_signal, run) => Promise.resolve({ nextInMs: run < 3 ? 0 : 1_000 }));
    loop.start();
    for (let turn = 0; turn < 4; turn++) await clock.advanceAsync(0);
    expect(counter.runs).toBe(3);
    await loop.stop();
  });

  test('waits for a wake when the step asks for no time', async () => {
    const { loop, clock, counter } = makeLoop(every(Infinity));
    loop.start();
    await clock.advanceAsync(1e9);
    expect(counter.runs).toBe(1);
    loop.wake();
    await clock.advanceAsync(0);
    expect(counter.runs).toBe(2);
    expect(clock.pending).toBe(0);
    await loop.stop();
  });

  test('runs once more after a wake that came during a run', async () => {
    const gate = deferred();
    const { loop, clock, counter } = makeLoop(async (_signal, run) => {
      if (run === 1) await gate.promise;
      return { nextInMs: 1_000 };
    });
    loop.start();
    loop.wake();
    loop.wake();
    gate.resolve();
    for (let turn = 0; turn < 4; turn++) await clock.advanceAsync(0);
    expect(counter.runs).toBe(2);
    await loop.stop();
  });
});

describe('faults', () => {
  test('are retried for ever with backoff, logged once, and their end is logged', async () => {
    const { loop, clock, logs, counter } = makeLoop((_signal, run) =>
      run <= 10 ? Promise.reject(outage('refused')) : Promise.resolve({ nextInMs: 1e9 }),
    );
    loop.start();
    await clock.advanceAsync(99);
    expect(counter.runs).toBe(1);
    await clock.advanceAsync(1);
    expect(counter.runs).toBe(2);
    expect(loop.fault).toMatchObject({ description: 'ECONNREFUSED: refused', failures: 2 });
    await clock.advanceAsync(60_000);
    expect(counter.runs).toBe(11);
    expect(loop.fault).toBeUndefined();
    expect(logs).toEqual([
      'error relay pass failed; it is tried again until it succeeds',
      'info relay pass works again',
    ]);
    await loop.stop();
  });

  test('of another kind are logged again', async () => {
    const { loop, clock, logs } = makeLoop((_signal, run) => Promise.reject(outage(run < 3 ? 'refused' : 'too slow')));
    loop.start();
    await clock.advanceAsync(2_000);
    expect(logs).toHaveLength(2);
    await loop.stop();
  });

  test('are not hurried by a wake', async () => {
    const { loop, clock, counter } = makeLoop(() => Promise.reject(outage('refused')));
    loop.start();
    await clock.advanceAsync(10);
    loop.wake();
    await clock.advanceAsync(10);
    expect(counter.runs).toBe(1);
    await loop.stop();
  });

  test('thrown synchronously count as well', async () => {
    const { loop, clock, logs } = makeLoop(() => {
      throw outage('at once');
    });
    loop.start();
    await clock.advanceAsync(0);
    expect(logs).toHaveLength(1);
    await loop.stop();
  });
});

describe('stop', () => {
  test('aborts the signal, waits for the current run and starts no other', async () => {
    const ended = deferred();
    const { loop, clock, counter, logs } = makeLoop(async (signal) => {
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await ended.promise;
      throw new Error('aborted');
    });
    loop.start();
    let stopped = false;
    const stop = loop.stop().then(() => (stopped = true));
    await clock.advanceAsync(0);
    expect(stopped).toBe(false);
    ended.resolve();
    await stop;
    await clock.advanceAsync(10_000);
    expect([counter.runs, logs, clock.pending]).toEqual([1, [], 0]);
  });

  test('ends a rest at once and leaves no timer', async () => {
    const { loop, clock } = makeLoop(every(60_000));
    loop.start();
    await clock.advanceAsync(0);
    await loop.stop();
    await loop.stop();
    expect(clock.pending).toBe(0);
  });

  test('of a loop that never started is fine', async () => {
    await makeLoop(every(1)).loop.stop();
  });
});

test('a loop is started once', async () => {
  const { loop } = makeLoop(every(1_000));
  loop.start();
  expect(() => loop.start()).toThrow('already started');
  await loop.stop();
});
