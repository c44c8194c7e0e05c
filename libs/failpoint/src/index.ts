// The front door of failpoint as production runs it: a call does nothing, and no environment can change that.
// Node resolves #failpoint to armed.ts only when it was started with `--conditions=failpoints`.
import type { FailpointName } from './names.ts';

export type { FailpointName } from './names.ts';

/** Where a test may make the process fail; `const hit = failpoint(…); if (hit) await hit;` costs nothing when nothing is armed. */
export function failpoint(_name: FailpointName): Promise<void> | undefined {
  return undefined;
}
