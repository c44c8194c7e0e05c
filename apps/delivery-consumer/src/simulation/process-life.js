export class ProcessLife {
  #clock;
  #state = 'running';
  #missed = [];
  constructor(clock) {
    this.#clock = clock;
  }
  get isRunning() {
    return this.#state === 'running';
  }
  get isDead() {
    return this.#state === 'dead';
  }
  now() {
    return this.#clock.now();
  }
  monotonic() {
    return this.#clock.monotonic();
  }
  schedule(delayMs, run) {
    let isCancelled = false;
    const cancel = this.#clock.schedule(delayMs, () => this.deliver(() => isCancelled || run()));
    return () => {
      isCancelled = true;
      cancel();
    };
  }
  /** Something reaches the process: at once, when it runs again, or never. */
  deliver(run) {
    if (this.#state === 'running') run();
    else if (this.#state === 'paused') this.#missed.push(run);
  }
  /** Resolves after `delayMs`, as the process sees it. */
  after(delayMs) {
    return new Promise((resolve) => this.schedule(delayMs, resolve));
  }
  pause() {
    if (this.#state === 'running') this.#state = 'paused';
  }
  resume() {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    for (const run of this.#missed.splice(0)) run();
  }
  kill() {
    this.#state = 'dead';
    this.#missed = [];
  }
}
//# sourceMappingURL=process-life.js.map
