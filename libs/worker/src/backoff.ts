// How long to wait before the next try of something that failed.
import type { Random } from '#clock';

export interface BackoffLimits {
  initialMs?: number;
  maxMs?: number;
}

/**
 * Milliseconds before the try after `attempt` failures (1, 2, …): doubling from `initialMs` (100) up to `maxMs` (5,000),
 * half of it fixed and half random ("equal jitter", Brooker, AWS Architecture Blog 2015), so that processes which lost
 * the same server do not come back in step, and none comes back at once.
 */
export function backoffMs(attempt: number, random: Random = Math.random, limits: BackoffLimits = {}): number {
  const { initialMs = 100, maxMs = 5_000 } = limits;
  const ceilingMs = Math.min(maxMs, initialMs * 2 ** Math.max(0, attempt - 1));
  return Math.round(ceilingMs / 2 + (ceilingMs / 2) * random());
}
