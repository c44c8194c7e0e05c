// One process's view of time: it can be stopped for a while (SIGSTOP, a long garbage collection) or for ever (kill -9).
import type { Clock } from './clock.ts';

export class ProcessLife implements Clock {
  readonly #clock: Clock;
  #state: 'running' | 'paused' | 'dead' = 'running';
  #missed: (() => void)[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  get isDead(): boolean {
    return this.#state === 'dead';
  }

  now(): number {
    return this.#clock.now();
  }

  monotonic(): number {
    return this.#clock.monotonic();
  }

  schedule(delayMs: number, run: () => void): () => void {
    let isCancelled = false;
    const cancel = this.#clock.schedule(delayMs, () => this.deliver(() => isCancelled || run()));
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  /** Something reaches the process: at once, when it runs again, or never. */
  deliver(run: () => void): void {
    if (this.#state === 'running') run();
    else if (this.#state === 'paused') this.#missed.push(run);
  }

  /** Resolves after `delayMs`, as the process sees it. */
  after(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.schedule(delayMs, resolve));
  }

  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    for (const run of this.#missed.splice(0)) run();
  }

  kill(): void {
    this.#state = 'dead';
    this.#missed = [];
  }
}
