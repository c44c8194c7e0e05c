// One server of a stack at a time: for those who break a stack on purpose and know that nobody else works on its folder.
import { StackError } from './errors.ts';
import { partsOf } from './local-stack.ts';
import { ensurePart, runningPart } from './part.ts';
import type { Part, Watch } from './part.ts';
import { readState, type StackState } from './state.ts';

/**
 * Starts one server again, with its data and on its port, and returns when it answers; what runs is left alone. Unlike `startStack` it
 * neither locks the folder nor looks at the other servers.
 * @throws StackError when it does not start.
 */
export async function startStackPart(dir: string, name: string, watch: Watch = {}): Promise<void> {
  await ensurePart(dir, partOf(dir, name), watch);
}

/** Sends a signal to a server, e.g. `kafka-2`. Null when it does not run, else its pid. */
export async function signalStackPart(dir: string, name: string, signal: NodeJS.Signals): Promise<number | null> {
  const id = await runningPart(dir, { name });
  if (id !== null) process.kill(id.pid, signal);
  return id?.pid ?? null;
}

/** Ports of each broker of a stack, as `startStack` made them. */
export function stackBrokers(dir: string): StackState['brokers'] {
  return stateOf(dir).brokers;
}

function partOf(dir: string, name: string): Part {
  const part = partsOf(dir, stateOf(dir), { throwaway: true }).find((one) => one.name === name);
  if (part === undefined) throw new StackError(`the stack in ${dir} has no server ${name}`);
  return part;
}

function stateOf(dir: string): StackState {
  const state = readState(dir);
  if (state === null) throw new StackError(`no stack in ${dir}`);
  return state;
}
