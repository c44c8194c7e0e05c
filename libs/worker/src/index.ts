// Front door of worker: loops that never give up, backoff, and the ordered start and stop of a process.
export { type BackoffLimits, backoffMs } from './backoff.ts';
export { Loop, type LoopFault, type LoopOptions, type LoopResult } from './loop.ts';
export { describeFault, isRetryable, type WorkerLogger } from './fault.ts';
export { retryForever, type RetryOptions } from './retry-forever.ts';
export { type ExitPort, runMain } from './run-main.ts';
export { type ProcessPort, type RunOptions, runUntilSignal, type Service } from './run-until-signal.ts';
