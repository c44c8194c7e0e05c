// What the process keeps of one Kafka partition: the lease, the lanes in memory, and which records are done.
import type { WaybillEvent } from '#events';
import type { ConsumedRecord } from '#kafka';
import { type Delivery, type Lane, OffsetTracker } from '#lane';

/**
 * `waiting`: assigned, but another holder's lease may still be valid: records are buffered, nothing is sent.
 * `owned`: the lease is or was ours. `leaving`: no longer assigned: requests in flight end, then the lease is released.
 * `gone`: nothing of it counts any more.
 */
export type PartitionPhase = 'waiting' | 'owned' | 'leaving' | 'gone';

/** A record as it was decoded; without an event, `reason` says why it could not be. */
export interface Arrival {
  record: ConsumedRecord;
  event: WaybillEvent | null;
  reason: string;
  /** Keeps its offset; the partition's own, unless the log was made anew meanwhile. */
  offsets: OffsetTracker;
}

/** Sending stops this long before the lease ends, and requests in flight are aborted. */
export const LEASE_MARGIN_MS = 500;

export class Partition {
  readonly number: number;
  phase: PartitionPhase = 'waiting';
  epoch = 0;
  /** The last take-over, in database ms, from an owner that did not release: it may have sent what it had no time to record. */
  lastUnclean: { epoch: number; at: number } | null = null;
  /** Monotonic ms: until then nobody else can own it. */
  leaseUntil = -Infinity;
  readonly lanes = new Map<string, Lane>();
  /** Whoever reads lanes from the database meanwhile is told which ones left memory: what they read of those may be older. */
  readonly evictionWatchers = new Set<Set<string>>();
  /** Another one when the log is made anew: its offsets begin again. */
  records = new OffsetTracker();
  /** Tickets are hints, done when read: the offset to commit. */
  ticketOffset: number | null = null;
  /** Records that came and are not admitted to their lanes yet: until the partition is ours, or the database has answered. */
  arrivals: Arrival[] = [];
  /** Lanes that could have run but for the lease or the journal. */
  stalled: Lane[] = [];
  inFlight = 0;
  isPaused = false;
  #abort = new AbortController();

  constructor(number: number) {
    this.number = number;
  }

  /** Aborts every request in flight; those that start later get a new signal. */
  abortRequests(): void {
    this.#abort.abort();
    this.#abort = new AbortController();
  }

  /** The lane leaves memory; its row says all there is to know. */
  evict(key: string): void {
    this.lanes.delete(key);
    for (const watcher of this.evictionWatchers) watcher.add(key);
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** True when an earlier owner may have sent this delivery without a record of it. */
  mayHaveBeenTried(delivery: Delivery): boolean {
    const { lastUnclean } = this;
    if (lastUnclean === null || delivery.attemptsEpoch >= lastUnclean.epoch) return false;
    return Date.parse(delivery.event.enqueuedAt) < lastUnclean.at;
  }

  /** Rule R3's part that is not the lane's: the lease holds right now. */
  holdsLease(now: number): boolean {
    return this.phase === 'owned' && now < this.leaseUntil - LEASE_MARGIN_MS;
  }
}
