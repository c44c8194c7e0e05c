// The front door of failpoint in a process started with `--conditions=failpoints`: WAYBILL_FAILPOINTS says what fails where.
import { writeSync } from 'node:fs';
import { armFailpoints, type Failpoint } from './arm.ts';
import { parseFailpoints } from './rules.ts';

export type { FailpointName } from './names.ts';

const VARIABLE = 'WAYBILL_FAILPOINTS';

/** NODE_OPTIONS may name the condition too: an environment alone arms nothing. */
const isMeant = process.execArgv.includes('--conditions=failpoints');

export const failpoint: Failpoint = armFailpoints(isMeant ? takeRules() : [], {
  say: (line) => void writeSync(process.stderr.fd, `${line}\n`),
  signal: (name) => void process.kill(process.pid, name),
  schedule: (ms, run) => void setTimeout(run, ms),
});

/** Taken out of the environment: to everything else it is the unknown variable that a production start refuses. */
function takeRules() {
  const { env } = process;
  const parsed = parseFailpoints(env[VARIABLE] ?? '');
  delete env[VARIABLE];
  if (parsed.ok) return parsed.rules;
  for (const fault of parsed.faults) writeSync(process.stderr.fd, `${VARIABLE}: ${fault}\n`);
  process.exit(2);
}
