// The command behind npm run stack:up, stack:down and stack:status.
import { relative } from 'node:path';
import { parseArgs } from 'node:util';
import { StackError, stackStatus, startStack, stopStack } from './index.ts';

const USAGE = `usage: stack.ts up [--brokers 1|3] | down [--wipe] | status    [--dir FOLDER]
  up      starts what does not run, returns when all of it answers, writes FOLDER/env for the shell
  down    stops all of it; --wipe removes its data too
  status  shows each server; exit code 1 unless all are ready`;

async function main(argv: string[]): Promise<number> {
  const { command, options } = parse(argv);
  const dir = options.dir === undefined ? {} : { dir: options.dir };
  switch (command) {
    case 'up': {
      const startedAt = performance.now();
      const brokers = options.brokers === undefined ? {} : { brokers: Number(options.brokers) };
      await startStack({ ...dir, ...brokers, onProgress: console.log });
      console.log(`ready after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
      await show(options.dir);
      return 0;
    }
    case 'down':
      await stopStack({ ...dir, wipe: options.wipe === true, onProgress: console.log });
      console.log(options.wipe === true ? 'stopped, data removed' : 'stopped');
      return 0;
    case 'status':
      return (await show(options.dir)) ? 0 : 1;
    default:
      throw new StackError(USAGE);
  }
}

function parse(argv: string[]) {
  try {
    const { values, positionals } = parseArgs({
      args: argv,
      allowPositionals: true,
      options: { brokers: { type: 'string' }, dir: { type: 'string' }, wipe: { type: 'boolean' } },
    });
    return { command: positionals.length === 1 ? positionals[0] : undefined, options: values };
  } catch (error) {
    throw new StackError(`${(error as Error).message}\n${USAGE}`);
  }
}

async function show(dirOption: string | undefined): Promise<boolean> {
  const { dir, parts, addresses } = await stackStatus(dirOption);
  if (addresses === null) {
    console.log(`no stack in ${dir}`);
    return false;
  }
  for (const { name, state, pid, port } of parts) {
    console.log(`  ${name.padEnd(10)} ${state.padEnd(9)} port ${port}${pid === null ? '' : `  pid ${pid}`}`);
  }
  const ready = parts.every((part) => part.state === 'ready');
  if (ready) console.log(`in a shell:  . ${relative(process.cwd(), dir) || '.'}/env`);
  return ready;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof StackError ? error.message : error);
  process.exitCode = 2;
}
