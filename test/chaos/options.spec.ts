// What the command line of npm run chaos takes and refuses.
import { describe, expect, it } from 'vitest';
import { readOptions, UsageError } from './options.ts';

const read = (...args: string[]) => readOptions(args, ['F4', 'F15'], () => 7);

describe('a run', () => {
  it('takes five minutes on three brokers with a random seed where nothing else is said', () => {
    expect(read()).toMatchObject({ kind: 'run', minutes: 5, seed: 7, brokers: 3, only: null, topicLoss: false });
  });

  it('takes what is said', () => {
    expect(read('--minutes', '0030', '--seed', '42', '--brokers', '1', '--only', 'F4,F15')).toMatchObject({
      minutes: 30,
      seed: 42,
      brokers: 1,
      only: ['F4', 'F15'],
    });
  });

  it.each([
    [['--minutes', 'ten'], '--minutes: must be a number from 1 to 1440, not "ten"'],
    [['--minutes', '0'], '--minutes: must be a number'],
    [['--minutes', ''], '--minutes: must be a number'],
    [['--seed', '1.5'], '--seed: must be a whole number'],
    [['--brokers', '2'], '--brokers: must be 1 or 3'],
    [['--rate', '9'], '--rate: must be a number from 10 to 1000'],
    [['--only', 'F4,F99'], '--only: there is no row F99'],
    [['--sed', '1'], "Unknown option '--sed'"],
    [['5'], 'Unexpected argument'],
  ])('refuses %j with a reason and the usage', (args, message) => {
    expect(() => read(...args)).toThrow(UsageError);
    expect(() => read(...args)).toThrow(message);
    expect(() => read(...args)).toThrow('usage: npm run chaos');
  });
});

it('shows its usage when asked', () => {
  expect(read('--help')).toEqual({ kind: 'help' });
});

describe('a check', () => {
  it('names a folder', () => {
    expect(read('--check', 'some/folder')).toEqual({ kind: 'check', folder: 'some/folder' });
  });

  it('stands alone', () => {
    expect(() => read('--check', 'folder', '--minutes', '3')).toThrow('--check stands alone, without --minutes');
  });
});
