// Whether this process is short of processor time: its event loop has hardly rested lately.
import { performance } from 'node:perf_hooks';

/** The share of time that the loop may be at work before the process counts as busy. */
const BUSY_SHARE = 0.75;
/** A reading is good for this long. */
const WINDOW_MS = 250;

export function createBusyMeter(): () => boolean {
  let since = performance.eventLoopUtilization();
  let readAt = performance.now();
  let isBusy = false;
  return () => {
    if (performance.now() - readAt < WINDOW_MS) return isBusy;
    const now = performance.eventLoopUtilization();
    isBusy = performance.eventLoopUtilization(now, since).utilization > BUSY_SHARE;
    since = now;
    readAt = performance.now();
    return isBusy;
  };
}
