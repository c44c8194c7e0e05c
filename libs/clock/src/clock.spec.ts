// Checks that the fake clock orders timers as a real one would, and that seeds repeat.
import { describe, expect, it } from 'vitest';
import { deferred, FakeClock, seededRandom, systemClock } from './index.ts';

describe('FakeClock', () => {
  it('runs due timers in the order of their instants, and equal instants in the order they were set', () => {
    const clock = new FakeClock(1000);
    const seen: string[] = [];
    clock.schedule(20, () => seen.push(`c@${clock.now()}`));
    clock.schedule(10, () => seen.push(`a@${clock.now()}`));
    clock.schedule(10, () => seen.push(`b@${clock.monotonic()}`));
    clock.advance(19);
    expect(seen).toEqual(['a@1010', 'b@10']);
    clock.advance(1);
    expect(seen).toEqual(['a@1010', 'b@10', 'c@1020']);
  });

  it('runs timers that a timer sets, if they fall due in the same move', () => {
    const clock = new FakeClock();
    const seen: number[] = [];
    clock.schedule(5, () => clock.schedule(5, () => seen.push(clock.monotonic())));
    clock.advance(10);
    expect(seen).toEqual([10]);
    expect(clock.pending).toBe(0);
  });

  it('does not run a cancelled timer', () => {
    const clock = new FakeClock();
    const cancel = clock.schedule(5, () => expect.unreachable());
    expect(clock.nextTimerInMs()).toBe(5);
    cancel();
    cancel();
    clock.advance(10);
    expect(clock.nextTimerInMs()).toBeNull();
  });

  it('lets promises settle between timers when it moves asynchronously', async () => {
    const clock = new FakeClock();
    const first = deferred();
    const seen: number[] = [];
    void first.promise.then(() => clock.schedule(10, () => seen.push(clock.monotonic())));
    clock.schedule(10, () => first.resolve());
    await clock.advanceAsync(30);
    expect(seen).toEqual([20]);
  });

  it('keeps durations right when the wall clock jumps', () => {
    const clock = new FakeClock(0);
    clock.jumpWallClock(-3_600_000);
    clock.advance(5);
    expect([clock.now(), clock.monotonic()]).toEqual([-3_599_995, 5]);
  });
});

describe('seededRandom', () => {
  it('repeats its numbers for the same seed, within [0, 1)', () => {
    const [first, second] = [seededRandom(7), seededRandom(7)];
    const numbers = Array.from({ length: 1000 }, () => first());
    expect(numbers).toEqual(Array.from({ length: 1000 }, () => second()));
    expect(numbers.every((n) => n >= 0 && n < 1)).toBe(true);
    expect(new Set(numbers).size).toBeGreaterThan(990);
  });
});

describe('systemClock', () => {
  it('schedules once, and a cancelled timer never runs', async () => {
    const fired = deferred();
    const cancel = systemClock.schedule(0, () => expect.unreachable());
    cancel();
    systemClock.schedule(1, fired.resolve);
    await fired.promise;
  });
});
