// One endpoint as the process sees it now: its policy, its queues of lanes, and whether anything may be sent to it.
import type { EndpointPolicy } from '#endpoints';
import { CircuitBreaker, defaultBreaker, Fifo, type Lane } from '#lane';

export class EndpointState {
  readonly id: string;
  /** null: it never existed. */
  policy: EndpointPolicy | null;
  readonly breaker: CircuitBreaker;
  /** Lanes with work: open ones, and parked ones whose next attempt is due. */
  readonly fresh = new Fifo<Lane>();
  readonly retries = new Fifo<Lane>();
  inFlight = 0;
  retriesInFlight = 0;
  /** Deliveries of it in memory. */
  buffered = 0;
  /** Monotonic ms: no look for a probe's lane before that. */
  probeAt = 0;
  /** It stands in the scheduler's ring. */
  isQueued = false;
  isRetryTurn = false;

  constructor(id: string, policy: EndpointPolicy | null, withBreaker: boolean) {
    this.id = id;
    this.policy = policy;
    this.breaker = new CircuitBreaker(withBreaker ? defaultBreaker : { ...defaultBreaker, lanesToOpen: Infinity });
  }

  get isDeleted(): boolean {
    return this.policy === null || this.policy.deleted;
  }

  get isPaused(): boolean {
    return this.policy !== null && !this.policy.deleted && !this.policy.enabled;
  }

  get maxConcurrency(): number {
    return this.policy?.maxConcurrency ?? 1;
  }

  /** Lanes that hang or fail can't take more than half of the slots: the rest stays for those that don't. */
  get maxRetriesInFlight(): number {
    return Math.max(1, Math.floor(this.maxConcurrency / 2));
  }

  /** It takes no more requests at once, and so many wait in memory that more should wait in PostgreSQL. */
  get isOverfull(): boolean {
    return this.inFlight >= this.maxConcurrency && this.buffered >= Math.max(1_000, 8 * this.maxConcurrency);
  }

  /** Nothing can be sent to it now: what comes is parked without an attempt. */
  isClosed(now: number): boolean {
    return this.isPaused || (this.breaker.openUntil !== null && now < this.breaker.openUntil);
  }
}
