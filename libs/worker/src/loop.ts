// A loop that runs one step again and again until it is stopped, whatever the step throws.
import type { Clock, Random } from '#clock';
import { backoffMs } from './backoff.ts';
import { describeFault, type WorkerLogger } from './fault.ts';

export interface LoopResult {
  /** Milliseconds until the next run: 0 = at once, Infinity = only when woken. */
  nextInMs: number;
}

export interface LoopOptions {
  /** For logs and readiness reasons, e.g. `relay pass`. */
  name: string;
  /** One step. Must end soon after `signal` aborts: `stop()` waits for it. Call it directly in tests. */
  runOnce: (signal: AbortSignal) => Promise<LoopResult>;
  clock: Clock;
  logger: WorkerLogger;
  random?: Random;
}

/** The current streak of failures. */
export interface LoopFault {
  error: unknown;
  /** One line, for a readiness reason. */
  description: string;
  failures: number;
  /** Wall ms of the first failure of the streak. */
  sinceAt: number;
}

/**
 * `start()` once, `stop()` as often as you like; runs never overlap. A step that throws is tried again after 100 ms to
 * 5 s (with jitter), for ever. Logged: the first failure of a streak, a failure with another description, the recovery.
 */
export class Loop {
  readonly name: string;
  readonly #options: LoopOptions;
  readonly #abort = new AbortController();
  #running: Promise<void> | undefined;
  #woken = false;
  #interruptRest: (() => void) | undefined;
  #fault: LoopFault | undefined;

  constructor(options: LoopOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Set while the last run failed: the process is not ready. */
  get fault(): LoopFault | undefined {
    return this.#fault;
  }

  start(): void {
    if (this.#running) throw new Error(`loop ${this.name} was already started`);
    this.#running = this.#run();
  }

  /** Runs the step now, or once more right after the current run. Ignored during backoff: a wake is no sign of recovery. */
  wake(): void {
    this.#woken = true;
    this.#interruptRest?.();
  }

  /** Aborts the signal of the current run and waits for its end. Never rejects. */
  async stop(): Promise<void> {
    this.#abort.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#abort;
    while (!signal.aborted) {
      this.#woken = false;
      const delayMs = await this.#step(signal);
      if (signal.aborted) return;
      await this.#rest(delayMs, signal);
    }
  }

  async #step(signal: AbortSignal): Promise<number> {
    try {
      const { nextInMs } = await this.#options.runOnce(signal);
      this.#recovered();
      return nextInMs;
    } catch (error) {
      if (signal.aborted) return 0; // what an aborted step throws is our own doing
      return this.#failed(error);
    }
  }

  async #rest(delayMs: number, signal: AbortSignal): Promise<void> {
    const mayBeWoken = this.#fault === undefined;
    // Through the event loop even when there is more to do: a step that never waits must not starve sockets and timers.
    if (delayMs <= 0 || (mayBeWoken && this.#woken)) return new Promise((resolve) => setImmediate(resolve));
    await new Promise<void>((resolve) => {
      const cancel = delayMs === Infinity ? () => undefined : this.#options.clock.schedule(delayMs, end);
      if (mayBeWoken) this.#interruptRest = end;
      signal.addEventListener('abort', end, { once: true });
      function end() {
        cancel();
        signal.removeEventListener('abort', end);
        resolve();
      }
    });
    this.#interruptRest = undefined;
  }

  #failed(error: unknown): number {
    const { clock, logger, name, random } = this.#options;
    const previous = this.#fault;
    const description = describeFault(error);
    const failures = (previous?.failures ?? 0) + 1;
    this.#fault = { error, description, failures, sinceAt: previous?.sinceAt ?? clock.now() };
    if (previous?.description !== description) {
      logger.error({ loop: name, failures, error }, `${name} failed; it is tried again until it succeeds`);
    }
    return backoffMs(failures, random);
  }

  #recovered(): void {
    const fault = this.#fault;
    if (!fault) return;
    this.#fault = undefined;
    const { clock, logger, name } = this.#options;
    logger.info(
      { loop: name, failures: fault.failures, failedForMs: clock.now() - fault.sinceAt },
      `${name} works again`,
    );
  }
}
