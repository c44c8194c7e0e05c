// Finds what a test left open in its own process: sockets, servers, child processes.
import { until } from './until.ts';

/** Kinds that `process.getActiveResourcesInfo()` names and that should not outlive a test. Timers come and go with Vitest itself. */
const WATCHED = /^(TCPSocketWrap|TCPServerWrap|PipeServerWrap|UDPWrap|ProcessWrap)$/;

export interface LeakCheck {
  /** Throws when there is more of a kind than at the start, after a grace (default 2 s) for what is just closing. */
  assertNone(options?: { withinMs?: number }): Promise<void>;
}

/** Takes a count now, to be compared after the test: `const leaks = leakCheck()` … `await leaks.assertNone()`. */
export function leakCheck(): LeakCheck {
  const before = openResources();
  return {
    assertNone: async ({ withinMs = 2_000 } = {}) => {
      let left = '';
      const clean = () => (left = surplus(before, openResources())) === '';
      await until(clean, { withinMs, what: 'nothing to be left open' }).catch(() => {
        throw new Error(`left open: ${left}`);
      });
    },
  };
}

/** How many of each watched kind this process has open. */
export function openResources(kinds: readonly string[] = process.getActiveResourcesInfo()): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of kinds) if (WATCHED.test(kind)) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return counts;
}

/** What `after` has more than `before`, as text; empty when nothing. */
export function surplus(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): string {
  const more = [...after].map(([kind, count]) => [kind, count - (before.get(kind) ?? 0)] as const);
  return more
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${count} ${kind}`)
    .join(', ');
}
