// npm run demo: a whole Waybill on this machine, a sample service that publishes, a receiver that fails for a while, and a view of it.
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { StackError } from '../../../deploy/local/index.ts';
import { Children } from './run/children.ts';
import { Demo } from './run/demo.ts';
import { DemoFault } from './run/demo-fault.ts';
import { listenForSignals } from './run/signals.ts';
import { Terminal } from './run/terminal.ts';

const USAGE = `usage: npm run demo [-- --once]
  --once   ends by itself: code 0 when everything was delivered in order, 1 otherwise
DATABASE_URL, KAFKA_BROKERS and SCHEMA_REGISTRY_URL name servers to use; without them the local stack is started.`;

/** The checkout: apps/onboarding-demo/src is three folders below it. */
const root = dirname(dirname(dirname(import.meta.dirname)));

process.exit(await main(process.argv.slice(2)));

async function main(argv: string[]): Promise<number> {
  const isOnce = readArguments(argv);
  if (isOnce === null) return 2;
  const terminal = new Terminal({ hasColours: process.stdout.isTTY && !process.env['NO_COLOR'] });
  const children = new Children(root, join(root, '.stack', 'logs'));
  const signals = listenForSignals(() => children.killAll());
  const demo = new Demo({ root, terminal, children, env: process.env, signal: signals.abort, isOnce });
  try {
    return await Promise.race([demo.run(), children.failed, signals.interrupted]);
  } catch (fault) {
    // Ctrl-C is how a demo that has shown everything ends.
    if (signals.abort.aborted) return demo.isShown && !isOnce ? 0 : 130;
    const isKnown = fault instanceof DemoFault || fault instanceof StackError;
    terminal.line(terminal.paint('red', isKnown ? fault.message : String((fault as Error).stack ?? fault)));
    return 1;
  } finally {
    await demo.stop();
  }
}

/** True for `--once`; null when the arguments are wrong. */
function readArguments(argv: string[]): boolean | null {
  try {
    return parseArgs({ args: argv, options: { once: { type: 'boolean' } } }).values.once === true;
  } catch (error) {
    console.error(`${(error as Error).message}\n${USAGE}`);
    return null;
  }
}
