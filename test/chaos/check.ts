// npm run chaos -- --check FOLDER: judges the history of an earlier run again, and says so on stdout.
import { parseArgs } from 'node:util';
import { BrokenHistory, checkHistory, summarise } from './checker/index.ts';

/** Resolves to the exit code: 0 passed, 1 not, 2 no history there. The last line on stdout is one JSON object. */
export async function check(folder: string, out: NodeJS.WritableStream = process.stdout): Promise<number> {
  try {
    const startedAt = performance.now();
    const verdict = await checkHistory(folder);
    const seconds = Math.round((performance.now() - startedAt) / 100) / 10;
    out.write(`${summarise(verdict)}${JSON.stringify({ folder, seconds, ...verdict })}\n`);
    return verdict.passed ? 0 : 1;
  } catch (error) {
    if (!(error instanceof BrokenHistory)) throw error;
    out.write(`${error.message}\n`);
    return 2;
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { check: { type: 'string' } } });
  if (values.check === undefined) throw new Error('usage: check.ts --check FOLDER');
  process.exitCode = await check(values.check);
}
