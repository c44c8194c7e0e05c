// Vitest global setup: one throwaway stack per run, shared by all projects that name this file.
import type { TestProject } from 'vitest/node';
import { startThrowawayStack } from './stack.ts';
import type { ThrowawayStack } from './stack.ts';

interface Shared {
  users: number;
  stack: Promise<ThrowawayStack>;
}

// Each project loads this module anew, so what they share hangs on the process.
const KEY = Symbol.for('waybill.testkit.stack');
const home = globalThis as { [KEY]?: Shared };

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const shared = (home[KEY] ??= { users: 0, stack: start() });
  shared.users++;
  const stack = await shared.stack;
  project.provide('stackAddresses', stack.addresses);
  return async () => {
    if (--shared.users > 0) return;
    delete home[KEY];
    await stack.stop();
  };
}

async function start(): Promise<ThrowawayStack> {
  const startedAt = performance.now();
  const stack = await startThrowawayStack({ onProgress: (line) => console.log(`[test stack] ${line}`) });
  console.log(`[test stack] ready after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  return stack;
}
