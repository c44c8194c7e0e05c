// Checks when a breaker opens, how it probes, and what closes it.
import { beforeEach, describe, expect, it } from 'vitest';
import { CircuitBreaker } from './index.ts';

const options = { lanesToOpen: 3, quietMs: 250, firstPauseMs: 1_000, maxPauseMs: 4_000 };
let breaker: CircuitBreaker;

beforeEach(() => {
  breaker = new CircuitBreaker(options);
});

const fail = (lane: string, now: number, startedAt = now) =>
  breaker.onFailure(lane, { wasProbe: false, startedAt }, now);
const failProbe = (now: number) => breaker.onFailure('probe', { wasProbe: true, startedAt: now }, now);

function open(now: number): void {
  for (const lane of ['a', 'b', 'c']) fail(lane, now);
}

describe('a circuit breaker', () => {
  it('opens when enough different lanes failed in a row', () => {
    expect([fail('a', 1), fail('b', 2), fail('c', 3)]).toEqual([false, false, true]);
    expect(breaker.openUntil).toBe(1_003);
    expect([breaker.ask(3), breaker.ask(1_002)]).toEqual(['no', 'no']);
  });

  it('never opens for one or two bad lanes, however often they fail', () => {
    for (let now = 0; now < 100; now++) fail(now % 2 === 0 ? 'a' : 'b', now);
    expect(breaker.ask(100)).toBe('yes');
  });

  it('counts anew after a success', () => {
    fail('a', 1);
    fail('b', 2);
    breaker.onSuccess(3);
    expect(fail('c', 4)).toBe(false);
  });

  it('does not count a request that saw a success of another while it ran', () => {
    breaker.onSuccess(50);
    for (const lane of ['a', 'b', 'c', 'd']) expect(fail(lane, 100, 10)).toBe(false);
    expect(breaker.ask(100)).toBe('yes');
  });

  it('stays closed while others succeed every now and then, however many fail between two of them', () => {
    breaker.onSuccess(0);
    for (const lane of ['a', 'b', 'c', 'd']) expect(fail(lane, 249)).toBe(false);
    expect(fail('d', 250)).toBe(true);
  });

  it('lets one probe through when its pause is over, and another only when that one is known', () => {
    open(0);
    expect([breaker.ask(1_000), breaker.ask(1_000)]).toEqual(['probe', 'no']);
    breaker.probeUnknown();
    expect(breaker.ask(1_000)).toBe('probe');
  });

  it('pauses twice as long after each failed probe, up to its limit', () => {
    open(0);
    const pauses = [1_000, 3_000, 7_000, 11_000].map((now) => {
      expect(breaker.ask(now)).toBe('probe');
      failProbe(now);
      return breaker.openUntil! - now;
    });
    expect(pauses).toEqual([2_000, 4_000, 4_000, 4_000]);
  });

  it('closes at once when a probe succeeds, and begins with the first pause next time', () => {
    open(0);
    breaker.ask(1_000);
    failProbe(1_000);
    breaker.onSuccess(3_000);
    expect(breaker.ask(3_000)).toBe('yes');
    for (const lane of ['a', 'b', 'c']) fail(lane, 4_000, 4_000);
    expect(breaker.openUntil).toBe(5_000);
  });

  it('counts no request that was in flight when it opened', () => {
    open(0);
    expect(fail('d', 500)).toBe(false);
    expect(breaker.openUntil).toBe(1_000);
  });

  it('is held for as long as it is told, whatever the count', () => {
    breaker.hold(0, 60_000);
    expect([breaker.ask(59_999), breaker.ask(60_000)]).toEqual(['no', 'probe']);
    breaker.reset();
    expect(breaker.ask(0)).toBe('yes');
  });

  it('never opens by itself when it is switched off', () => {
    breaker = new CircuitBreaker({ ...options, lanesToOpen: Infinity });
    for (let lane = 0; lane < 1_000; lane++) expect(fail(`lane ${lane}`, lane)).toBe(false);
  });
});
