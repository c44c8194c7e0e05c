// Bounds on waiting for something that may never answer.
import type { Clock } from '#clock';

/** The promise's own outcome, or `onTimeout()`'s when that takes longer than `ms`. A late outcome is dropped. */
export function withDeadline<T>(clock: Clock, ms: number, promise: Promise<T>, onTimeout: () => T): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const cancel = clock.schedule(ms, () => {
      try {
        resolve(onTimeout());
      } catch (error) {
        reject(error);
      }
    });
    promise.then(resolve, reject).finally(cancel);
  });
}
