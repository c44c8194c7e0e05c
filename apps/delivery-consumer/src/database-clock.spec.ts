// PostgreSQL's time by readings that take longer or shorter.
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '#clock';
import { DatabaseClock } from './database-clock.ts';

/** The server's time minus the process's monotonic one. */
const OFFSET_MS = 1_770_000_000_000;

let clock: FakeClock;
let database: DatabaseClock;
beforeEach(() => {
  clock = new FakeClock();
  database = new DatabaseClock(clock);
});

/** The server looks at its clock after `thereMs`; its answer is here `backMs` later. */
function read(thereMs: number, backMs: number, offsetMs = OFFSET_MS): void {
  const askedAt = clock.monotonic();
  clock.advance(thereMs);
  const databaseNow = clock.monotonic() + offsetMs;
  clock.advance(backMs);
  database.set(databaseNow, askedAt);
}

const errorMs = () => database.now() - (clock.monotonic() + OFFSET_MS);

describe('the database clock', () => {
  it('refuses to guess before the first reading', () => {
    expect(() => database.now()).toThrow('has not been read');
  });

  it('is off by half of what the two ways differ', () => {
    read(3, 1);
    expect(errorMs()).toBe(1);
    expect(database.toMonotonic(database.now())).toBe(clock.monotonic());
  });

  it('says what time it is at the latest, whatever the two ways took', () => {
    for (const [thereMs, backMs] of [
      [0, 120],
      [120, 0],
      [70, 300],
    ] as const) {
      database = new DatabaseClock(clock);
      read(thereMs, backMs);
      clock.advance(30_000);
      expect(database.latest()).toBeGreaterThanOrEqual(clock.monotonic() + OFFSET_MS);
      expect(database.latest() - database.now()).toBeLessThanOrEqual((thereMs + backMs) / 2 + 6);
    }
  });

  it('keeps a good reading when a slow one follows: due times don’t jump', () => {
    read(1, 1);
    clock.advance(2_000);
    read(0, 120);
    expect(errorMs()).toBe(0);
  });

  it('takes a better reading at once', () => {
    read(120, 0);
    expect(errorMs()).toBe(60);
    read(1, 1);
    expect(errorMs()).toBe(0);
  });

  it('takes a slower reading when the good one is old enough to have drifted further', () => {
    read(1, 1);
    clock.advance(60_000);
    read(8, 4);
    expect(errorMs()).toBe(2);
  });

  it('moves by no more than a slow reading contradicts it: clocks tremble, and an answer may wait in a process that stalls', () => {
    read(1, 1);
    read(0, 600, OFFSET_MS - 2);
    expect(Math.abs(errorMs())).toBeLessThanOrEqual(2);
    read(1, 1);
    expect(errorMs()).toBe(0);
  });

  it('believes a reading that contradicts the one before: the server is another, or its clock was set', () => {
    read(1, 1);
    read(50, 50, OFFSET_MS - 3_600_000);
    expect(errorMs()).toBe(-3_600_000);
  });
});
