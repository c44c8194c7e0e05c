// When the consumers have read all that was on the log at a noted moment.
import { describe, expect, it } from 'vitest';
import { hasPassed, type LogPosition, type LogProgress } from './log-progress.ts';

const at = (high: number, committed: number | null, low = 0): LogPosition => ({ low, high, committed });
const log = (...positions: LogPosition[]): LogProgress => new Map(positions.entries());
const noted = log(at(10, 4), at(0, null));

describe('the consumers have passed a noted end', () => {
  it.each([
    ['when they committed it', at(10, 10), true],
    ['and not while one record is left', at(12, 9), false],
    ['when they committed more', at(20, 15), true],
    ['when their offsets were deleted and nothing is left to read', at(10, null, 10), true],
    ['and not when their offsets were deleted and everything is to be read again', at(20, null), false],
    ['when what they had not read has expired', at(30, 4, 10), true],
    ['when the topic was made anew and is shorter', at(3, 10), true],
    ['when the topic was made anew and is empty', at(0, null), true],
    ['and not by a commit that belongs to an earlier, longer log', at(12, 5_000), false],
  ])('%s', (_, now, expected) => {
    expect(hasPassed(noted, log(now, at(0, null)))).toBe(expected);
  });

  it('only when that holds for every partition', () => {
    const both = log(at(10, 10), at(5, 2));
    expect(hasPassed(both, log(at(10, 10), at(5, 2)))).toBe(false);
    expect(hasPassed(both, log(at(10, 10), at(9, 5)))).toBe(true);
  });
});
