// The command line of npm run chaos.
import { parseArgs } from 'node:util';

export const USAGE = `usage: npm run chaos -- [--minutes M] [--seed N] [options]      a run, judged at its end
       npm run chaos -- --check FOLDER                          judges the history of an earlier run again
  --minutes M       length of the time with faults, 1 to 1440; default 5
  --seed N          of the faults, the load and the receivers' moods; default: a random one
  --brokers 1|3     default 3; with one broker nothing happens to brokers
  --rate N          events per second on average, 10 to 1000; default 75
  --out FOLDER      default .chaos/SEED-TIME
  --only LIST       rows of the fault matrix, e.g. F4,F15; default all
  --topic-loss      also deletes and recreates the events topic, and the group's offsets, once each (F12)
  --keep            leaves the servers' data in the folder
Progress goes to stderr; the last line of stdout is one JSON object. Exit code: 0 all checks passed, 1 not, 2 wrong usage or no history, 130 stopped.`;

export class UsageError extends Error {}

export interface RunOptions {
  kind: 'run';
  minutes: number;
  seed: number;
  brokers: 1 | 3;
  rate: number;
  out: string | null;
  only: string[] | null;
  topicLoss: boolean;
  keep: boolean;
}

export type Options = RunOptions | { kind: 'check'; folder: string } | { kind: 'help' };

/**
 * `rows`: those of the fault matrix that a run knows.
 * @throws UsageError whose message is fit for people
 */
export function readOptions(args: readonly string[], rows: readonly string[], newSeed: () => number): Options {
  const given = parse(args);
  if (given.help === true) return { kind: 'help' };
  if (given.check !== undefined) {
    const others = Object.keys(given).filter((name) => name !== 'check');
    if (others.length > 0) throw new UsageError(`--check stands alone, without --${others[0]!}\n${USAGE}`);
    return { kind: 'check', folder: given.check };
  }
  const brokers = numberOf('brokers', given.brokers, { least: 1, most: 3, byDefault: 3 });
  if (brokers !== 1 && brokers !== 3) throw new UsageError(`--brokers: must be 1 or 3\n${USAGE}`);
  const seed = numberOf('seed', given.seed, { least: 0, most: 2 ** 31 - 1, byDefault: newSeed() });
  if (!Number.isInteger(seed)) throw new UsageError(`--seed: must be a whole number\n${USAGE}`);
  return {
    kind: 'run',
    minutes: numberOf('minutes', given.minutes, { least: 1, most: 1_440, byDefault: 5 }),
    seed,
    brokers,
    rate: numberOf('rate', given.rate, { least: 10, most: 1_000, byDefault: 75 }),
    out: given.out ?? null,
    only: rowsOf(given.only, rows),
    topicLoss: given['topic-loss'] === true,
    keep: given.keep === true,
  };
}

function parse(args: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    const options = {
      minutes: text,
      seed: text,
      brokers: text,
      rate: text,
      out: text,
      only: text,
      check: text,
      'topic-loss': flag,
      keep: flag,
      help: flag,
    };
    return parseArgs({ args: [...args], options }).values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${USAGE}`);
  }
}

function rowsOf(text: string | undefined, known: readonly string[]): string[] | null {
  if (text === undefined) return null;
  const rows = text.split(',');
  const unknown = rows.find((row) => !known.includes(row));
  if (unknown === undefined) return rows;
  throw new UsageError(`--only: there is no row ${unknown}; there are ${known.join(', ')}\n${USAGE}`);
}

function numberOf(name: string, text: string | undefined, range: { least: number; most: number; byDefault: number }) {
  if (text === undefined) return range.byDefault;
  const value = Number(text);
  if (text.trim() !== '' && value >= range.least && value <= range.most) return value;
  throw new UsageError(`--${name}: must be a number from ${range.least} to ${range.most}, not "${text}"\n${USAGE}`);
}
