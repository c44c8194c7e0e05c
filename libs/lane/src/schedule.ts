// When the next attempt is due.
import type { Random } from '#clock';

export interface RetryPolicy {
  /** Retries after the first attempt: at most maxRetries + 1 requests a round. */
  maxRetries: number;
  initialDelayMs: number;
  maxDelayMs: number;
}

/** A receiver may ask for a longer pause, but not for more than this. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

/**
 * Delay in ms before the next attempt, after `failures` (>= 1) failed ones: initial * 2^(failures - 1), capped, half fixed
 * and half random ("equal jitter"). `retryAfterMs` is a lower bound, itself bounded by an hour.
 */
export function retryDelayMs(policy: RetryPolicy, failures: number, random: Random, retryAfterMs?: number): number {
  // 2^30 times any delay is beyond every cap; more would overflow.
  const full = Math.min(policy.initialDelayMs * 2 ** Math.min(failures - 1, 30), policy.maxDelayMs);
  const delay = full / 2 + (random() * full) / 2;
  return Math.round(Math.max(delay, Math.min(retryAfterMs ?? 0, MAX_RETRY_AFTER_MS)));
}

/** True when the head used up its attempts in this round. */
export function isExhausted(policy: RetryPolicy, failures: number): boolean {
  return failures > policy.maxRetries;
}
