// Watches what is really sent, apart from the lanes that decide it: a request that overtakes its predecessor is counted.
import type { Delivery } from '#lane';

export interface OrderViolation {
  endpointId: string;
  streamId: string;
  sequence: number;
  kind: 'predecessor_not_done' | 'another_in_flight' | 'went_back';
}

/** What was seen of one lane under one epoch of its owner. */
interface Seen {
  epoch: number;
  /** The highest sequence that a request was made for. */
  sent: number;
  /** The highest sequence that was seen to succeed, or was skipped or expired. */
  done: number;
  inFlight: Delivery | null;
}

/** About 200 bytes a lane, so 3 MB at most. */
const MOST_LANES = 16_384;

/**
 * It knows nothing of a lane at first, so the first request that it sees of one is right, whatever its sequence; and so is the
 * first one under a new epoch, because another process may have gone on meanwhile. From then on each request must be for the
 * same sequence again, or for the next one after what succeeded or was passed over here. Lanes beyond the limit are forgotten,
 * those first that were used long ago. Unordered deliveries have no order to violate. About 0.5 us a request.
 */
export class OrderWitness {
  readonly #onViolation: (violation: OrderViolation) => void;
  readonly #mostRecent: number;
  /** Two generations: what was used since the last change of generations, and what was not. */
  #recent = new Map<string, Seen>();
  #older = new Map<string, Seen>();

  constructor(onViolation: (violation: OrderViolation) => void, mostLanes = MOST_LANES) {
    this.#onViolation = onViolation;
    this.#mostRecent = Math.max(1, mostLanes / 2);
  }

  /** A request is about to be made. */
  starts(delivery: Delivery, epoch: number): void {
    const { sequence } = delivery;
    if (sequence === null) return;
    const key = keyOf(delivery.endpointId, delivery.event.streamId);
    const seen = this.#find(key);
    if (seen?.epoch !== epoch)
      return this.#remember(key, { epoch, sent: sequence, done: sequence - 1, inFlight: delivery });
    if (seen.inFlight) this.#report(delivery, sequence, 'another_in_flight');
    if (sequence > seen.done + 1) this.#report(delivery, sequence, 'predecessor_not_done');
    else if (sequence < seen.sent) this.#report(delivery, sequence, 'went_back');
    seen.inFlight = delivery;
    if (sequence > seen.sent) seen.sent = sequence;
    // One report a violation: what follows is judged from here on.
    if (seen.done < sequence - 1) seen.done = sequence - 1;
  }

  /** It has ended, with or without an answer. For one that was never made this does nothing. */
  ended(delivery: Delivery, isSuccess: boolean): void {
    if (delivery.sequence === null) return;
    const seen = this.#find(keyOf(delivery.endpointId, delivery.event.streamId));
    if (seen?.inFlight !== delivery) return;
    seen.inFlight = null;
    if (isSuccess && seen.done < delivery.sequence) seen.done = delivery.sequence;
  }

  /** The sequence ended without a success: skipped or expired. */
  passedOver(lane: { endpointId: string; streamId: string }, sequence: number): void {
    const seen = this.#find(keyOf(lane.endpointId, lane.streamId));
    if (seen && sequence === seen.done + 1) seen.done = sequence;
  }

  #find(key: string): Seen | undefined {
    const recent = this.#recent.get(key);
    if (recent) return recent;
    const older = this.#older.get(key);
    if (older) this.#remember(key, older);
    return older;
  }

  #remember(key: string, seen: Seen): void {
    this.#recent.set(key, seen);
    if (this.#recent.size <= this.#mostRecent) return;
    // Requests in flight are still to be watched.
    const kept = [...this.#older].filter(([old, { inFlight }]) => inFlight && !this.#recent.has(old));
    this.#older = this.#recent;
    this.#recent = new Map(kept);
  }

  #report(delivery: Delivery, sequence: number, kind: OrderViolation['kind']): void {
    this.#onViolation({ endpointId: delivery.endpointId, streamId: delivery.event.streamId, sequence, kind });
  }
}

const keyOf = (endpointId: string, streamId: string) => `${endpointId} ${streamId}`;
