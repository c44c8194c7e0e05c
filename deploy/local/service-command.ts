// How a built service is started: package.json's `start:` scripts say it, and everything that starts one without npm reads it there.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutDir } from './checkout.ts';

export interface ServiceCommand {
  file: string;
  args: string[];
  /** To be added to the child's environment. */
  env: Record<string, string>;
}

/**
 * The command of one npm script of the form `[NAME=value …] [exec] node [options] file`, e.g. of `start:outbox-relay`, with this very
 * Node. Starting it directly makes the child's pid the service's own. `isArmed`: its failpoints obey WAYBILL_FAILPOINTS.
 */
export function serviceCommand(script: string, { isArmed = false } = {}): ServiceCommand {
  const manifest = JSON.parse(readFileSync(join(checkoutDir(), 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };
  const words = manifest.scripts[script]?.split(' ') ?? [];
  const node = words.indexOf('node');
  const settings = words
    .slice(0, node)
    .filter((word) => word !== 'exec')
    .map((word) => word.split('=') as [string, string]);
  if (node < 0 || settings.some(([, value]) => value === undefined)) {
    throw new Error(`package.json: the script ${script} must read "[NAME=value …] [exec] node [options] file"`);
  }
  const args = words.slice(node + 1);
  return {
    file: process.execPath,
    args: [...(isArmed ? ['--conditions=failpoints'] : []), ...args.slice(0, -1), join(checkoutDir(), args.at(-1)!)],
    env: Object.fromEntries(settings),
  };
}
