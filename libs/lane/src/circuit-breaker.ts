// A circuit breaker for one endpoint: an endpoint that is down for an hour must not halt ten thousand lanes.
export interface BreakerOptions {
  /** Different lanes that failed in a row, without a success between, before it opens. So one or two bad lanes never open it. */
  lanesToOpen: number;
  /** And for so long nobody must have succeeded: the retries of ten bad lanes may fall into one short pause of the others. */
  quietMs: number;
  /** The pause before the first probe; it doubles with each failed probe. */
  firstPauseMs: number;
  maxPauseMs: number;
}

export const defaultBreaker: BreakerOptions = {
  lanesToOpen: 10,
  quietMs: 250,
  firstPauseMs: 1_000,
  maxPauseMs: 60_000,
};

export class CircuitBreaker {
  readonly #options: BreakerOptions;
  readonly #failedLanes = new Set<string>();
  #failedProbes = 0;
  #lastSuccessAt = -Infinity;
  #probing = false;
  #openUntil: number | null = null;

  constructor(options: BreakerOptions = defaultBreaker) {
    this.#options = options;
  }

  /** Monotonic ms of the next probe, or null while closed. */
  get openUntil(): number | null {
    return this.#openUntil;
  }

  /** May a request start? `probe`: one, whose failure is not counted against its lane. */
  ask(now: number): 'yes' | 'probe' | 'no' {
    if (this.#openUntil === null) return 'yes';
    if (now < this.#openUntil || this.#probing) return 'no';
    this.#probing = true;
    return 'probe';
  }

  /** The probe did not take place, or its outcome is unknown: another may. */
  probeUnknown(): void {
    this.#probing = false;
  }

  /** Opens it for `pauseMs` whatever the count: nothing can be sent there at all (blocked address, unusable secret). */
  hold(now: number, pauseMs: number): void {
    this.#probing = false;
    this.#openUntil = now + pauseMs;
  }

  onSuccess(now: number): void {
    this.#lastSuccessAt = now;
    this.reset();
  }

  /** Whatever was wrong may be mended: closes it and forgets what failed. */
  reset(): void {
    // After each success: clearing a set makes a new table even for an empty one.
    if (this.#failedLanes.size > 0) this.#failedLanes.clear();
    this.#failedProbes = 0;
    this.#probing = false;
    this.#openUntil = null;
  }

  /**
   * A failure of a request that began at monotonic `startedAt`. Returns true when it opened the breaker. Only requests that
   * saw no success during their whole life count: ten lanes that began to hang together time out together, between
   * thousands of successes of others. Requests that were in flight when it opened count no further.
   */
  onFailure(laneKey: string, request: { wasProbe: boolean; startedAt: number }, now: number): boolean {
    if (request.wasProbe) {
      this.#probing = false;
      this.#failedProbes++;
      this.#open(now);
      return false;
    }
    if (this.#openUntil !== null || request.startedAt < this.#lastSuccessAt) return false;
    this.#failedLanes.add(laneKey);
    const { lanesToOpen, quietMs } = this.#options;
    if (this.#failedLanes.size < lanesToOpen || now - this.#lastSuccessAt < quietMs) return false;
    this.#open(now);
    return true;
  }

  #open(now: number): void {
    const { firstPauseMs, maxPauseMs } = this.#options;
    this.#openUntil = now + Math.min(firstPauseMs * 2 ** Math.min(this.#failedProbes, 30), maxPauseMs);
  }
}
