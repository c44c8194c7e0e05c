// npm run chaos: a long random run of real faults, or an earlier one judged again. Progress on stderr, one JSON object on stdout.
import { randomInt } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { StackError } from '../../deploy/local/index.ts';
import { BrokenHistory } from './checker/index.ts';
import { judge } from './judge.ts';
import { faultRows } from './kinds/index.ts';
import { type Options, readOptions, USAGE, UsageError } from './options.ts';
import { startReaper } from './reaping.ts';
import { run } from './run.ts';

class Stopped extends Error {}

const CHECKOUT = join(import.meta.dirname, '../..');
const startedAt = performance.now();
const onProgress = (line: string) =>
  console.error(`${((performance.now() - startedAt) / 1_000).toFixed(1).padStart(7)} s  ${line}`);

/** Resolves to the exit code. */
async function chaos(options: Options): Promise<number> {
  if (options.kind === 'help') {
    console.log(USAGE);
    return 0;
  }
  if (options.kind === 'check') return judged(options.folder);
  const folder = resolve(options.out ?? join(CHECKOUT, '.chaos', `${options.seed}-${stamp(new Date())}`));
  mkdirSync(folder, { recursive: true });
  if (readdirSync(folder).length > 0) throw new UsageError(`--out: ${folder} is not empty`);
  // The database's own user has to get to its data below.
  chmodSync(folder, 0o755);
  onProgress(`seed ${options.seed}, history in ${folder}`);
  startReaper(folder, options);
  const stopping = new AbortController();
  const stopped = new Promise<never>((_resolve, reject) => {
    stopping.signal.addEventListener('abort', () => reject(stopping.signal.reason as Error));
  });
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => stopping.abort(new Stopped(`stopped by ${name}`)));
  }
  {
    await using cleanup = new AsyncDisposableStack();
    await Promise.race([run(options, { folder, cleanup, signal: stopping.signal, onProgress }), stopped]);
  }
  return judged(folder);
}

async function judged(folder: string): Promise<number> {
  onProgress('judging the history');
  const { passed, summary, line } = await judge(folder);
  console.error(`\n${summary}`);
  console.log(JSON.stringify(line));
  return passed ? 0 : 1;
}

/** Such as 20260131-120000. */
function stamp(now: Date): string {
  return now.toISOString().slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-');
}

/** What a person can mend: shown without a stack trace. */
const EXIT_CODES = new Map<unknown, number>([
  [UsageError, 2],
  [BrokenHistory, 2],
  [Stopped, 130],
  [StackError, 1],
]);

let exitCode: number;
try {
  exitCode = await chaos(readOptions(process.argv.slice(2), faultRows, () => randomInt(1_000_000)));
} catch (error) {
  const known = EXIT_CODES.get((error as Error).constructor);
  console.error(known === undefined ? error : (error as Error).message);
  exitCode = known ?? 1;
}
// At once: a fault that was under way must not start a service again. The reaper ends the rest.
process.exit(exitCode);
