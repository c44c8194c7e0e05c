// Tries one thing until it succeeds: how a process waits for PostgreSQL, Kafka or the registry at start.
import { type Clock, type Random, systemClock } from '#clock';
import { type BackoffLimits, backoffMs } from './backoff.ts';
import { describeFault, isRetryable, type WorkerLogger } from './fault.ts';

export interface RetryOptions {
  logger: WorkerLogger;
  /** Ends the waiting; the promise then rejects with the signal's reason. */
  signal?: AbortSignal;
  clock?: Clock;
  random?: Random;
  limits?: BackoffLimits;
  /** Told of every failure, e.g. to show the reason in readiness. */
  onFailure?: (description: string, failures: number) => void;
}

/**
 * Resolves with the first success of `run`. Rejects only when the signal aborts, or with a fault that says
 * `retryable: false` (a wrong partition count will not mend itself). Logs a failure when its description is new.
 */
export async function retryForever<T>(
  name: string,
  run: (signal: AbortSignal) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const { logger, clock = systemClock, random, limits, onFailure } = options;
  const signal = options.signal ?? new AbortController().signal;
  let lastDescription: string | undefined;
  for (let failures = 1; ; failures++) {
    signal.throwIfAborted();
    try {
      const result = await run(signal);
      if (failures > 1) logger.info({ failures: failures - 1 }, `${name} works again`);
      return result;
    } catch (error) {
      signal.throwIfAborted();
      if (!isRetryable(error)) throw error;
      const description = describeFault(error);
      onFailure?.(description, failures);
      if (description !== lastDescription) logger.warn({ failures, error }, `${name} failed; it is tried again`);
      lastDescription = description;
    }
    await pause(clock, backoffMs(failures, random, limits), signal);
  }
}

function pause(clock: Clock, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.schedule(delayMs, end);
    signal.addEventListener('abort', end, { once: true });
    function end() {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    }
  });
}
