// What happens to a lane: each transition changes memory first, then tells the journal, and names what follows the commit.
import { failpoint } from '#failpoint';
import { type BlockReason, type Delivery, isExhausted, type Lane, type Outcome, retryDelayMs } from '#lane';
import type { EndpointPolicy } from '#endpoints';
import type { Context } from './context.ts';
import type { EndpointState } from './endpoint-state.ts';
import type { Partition } from './partition.ts';

/** How the transitions put a lane to work again. */
export interface Wakeups {
  /** It has something to do now. */
  wake(lane: Lane): void;
  /** It has something to do at `lane.nextAttemptAt`. */
  wakeWhenDue(lane: Lane): void;
}

/** While a record of a lane is missing, the lane looks again this often. */
export const GAP_RECHECK_MS = 5_000;
/** An endpoint whose target is blocked or whose secret can't be used is tried again this often. */
export const HOLD_MS = 60_000;

export class Transitions {
  readonly #context: Context;
  readonly #wakeups: Wakeups;

  constructor(context: Context, wakeups: Wakeups) {
    this.#context = context;
    this.#wakeups = wakeups;
  }

  /** R4: next in turn on an open lane. */
  queue(lane: Lane, delivery: Delivery): void {
    lane.queue.push(delivery);
    this.#endpointOf(lane).buffered++;
    this.#wakeups.wake(lane);
  }

  /** R4: a record for a lane that is not open, or that must not wait in memory. */
  parkArrival(partition: Partition, lane: Lane, delivery: Delivery, reason: BlockReason | null): void {
    if (reason !== null) this.spill(partition, lane, reason);
    const isMissing = lane.reason === 'gap' || lane.reason === 'event_lost';
    if (isMissing && delivery.sequence === lane.delivered + 1) this.#closeGap(lane);
    this.#context.journal.insert(
      partition.number,
      delivery,
      lane.lastErrorClass === null ? 'pending' : 'parked',
      lane.nextAttemptAt,
    );
    this.#parkWriteBegun(partition, lane);
  }

  /** Moves an open lane from memory to PostgreSQL; nothing failed. A request in flight goes on. */
  spill(partition: Partition, lane: Lane, reason: BlockReason): void {
    if (lane.mode !== 'open') return;
    const { journal, metrics } = this.#context;
    metrics.spilled.inc();
    this.#block(lane, 'parked', reason);
    lane.nextAttemptAt = this.#now();
    lane.headEventId = lane.queue[0]?.event.eventId ?? null;
    for (const delivery of lane.queue) journal.insert(partition.number, delivery, 'pending', lane.nextAttemptAt);
    this.#keepHead(lane);
    journal.save(lane);
    this.#parkWriteBegun(partition, lane);
  }

  /** R5, R8: the head is delivered. Returns true: the lane may go on at once. */
  succeed(partition: Partition, lane: Lane, delivery: Delivery): true {
    return this.#pass(partition, lane, delivery, 'delivered', null);
  }

  /** The head is terminal without a success. */
  skip(partition: Partition, lane: Lane, delivery: Delivery, state: 'skipped' | 'expired', reason: string): true {
    return this.#pass(partition, lane, delivery, state, reason);
  }

  /** R6, R8, R10: the head's attempt failed. Returns true when the lane may go on at once. */
  fail(
    partition: Partition,
    lane: Lane,
    delivery: Delivery,
    failure: { outcome: Exclude<Outcome, { kind: 'success' }>; policy: EndpointPolicy; isCounted: boolean },
  ): boolean {
    const { outcome, policy, isCounted } = failure;
    // Halted while its request was in flight: it stays so.
    if (lane.mode === 'halted') return this.#keepHalted(partition, lane, delivery);
    lane.lastErrorClass = outcome.errorClass;
    if (isCounted) lane.attempts++;
    if (isCounted && isExhausted(policy, lane.attempts)) return this.#exhaust(partition, lane, delivery, policy);
    const retryAfterMs = outcome.kind === 'failure' ? outcome.retryAfterMs : undefined;
    const delayMs = retryDelayMs(policy, Math.max(1, lane.attempts), this.#context.random, retryAfterMs);
    this.#block(lane, 'parked', outcome.kind === 'held' ? 'endpoint_closed' : 'failed');
    lane.nextAttemptAt = this.#context.databaseClock.latest() + delayMs;
    this.#parkQueue(partition, lane, 'parked');
    this.#context.journal.afterCommit(partition.number, () => {
      void failpoint('consumer.after_park_before_ticket');
      this.#context.outgoing.ticket(lane);
    });
    return false;
  }

  #keepHalted(partition: Partition, lane: Lane, delivery: Delivery): false {
    this.#context.journal.update(partition.number, delivery, 'exhausted');
    this.#forgetQueue(lane, 0);
    return false;
  }

  /** Nothing may be sent to the endpoint now: what waits in memory waits in PostgreSQL instead, without an attempt. */
  parkForClosedEndpoint(partition: Partition, lane: Lane): void {
    if (lane.mode === 'open') this.spill(partition, lane, 'endpoint_closed');
    else this.#keepHead(lane);
  }

  /** R10: the lane waits for an operator. */
  halt(partition: Partition, lane: Lane, reason: BlockReason): false {
    const { journal, metrics, outgoing, logger } = this.#context;
    const head = lane.queue[0];
    this.#block(lane, 'halted', reason);
    this.#parkQueue(partition, lane, 'exhausted');
    metrics.halted.inc({ reason });
    logger.error(
      {
        endpointId: lane.endpointId,
        streamId: lane.streamId,
        tenantId: lane.tenantId,
        sequence: lane.delivered + 1,
        reason,
      },
      'lane halted',
    );
    if (head) {
      journal.afterCommit(partition.number, () => {
        outgoing.deadLetterDelivery(head, reason);
        metrics.deadLetters.inc({ reason });
      });
    }
    return false;
  }

  /** The next record is missing (or its park write is not committed yet): look again later. */
  waitForGap(lane: Lane): void {
    const { journal, metrics, logger } = this.#context;
    if (lane.reason !== 'gap') {
      metrics.gaps.inc();
      logger.error(
        { endpointId: lane.endpointId, streamId: lane.streamId, sequence: lane.delivered + 1 },
        'gap: a record is missing',
      );
    }
    this.#block(lane, 'parked', 'gap');
    lane.nextAttemptAt = this.#now() + GAP_RECHECK_MS;
    lane.headEventId = null;
    journal.save(lane);
    this.#wakeups.wakeWhenDue(lane);
  }

  /** The missing record is here, given up or not: the lane goes on as soon as it is written. */
  #closeGap(lane: Lane): void {
    lane.mode = 'parked';
    lane.reason = 'spilled';
    lane.nextAttemptAt = this.#now();
    if (lane.place === 'waiting') lane.place = 'idle';
    this.#context.journal.save(lane);
  }

  /** R9. */
  reopen(lane: Lane): void {
    lane.reopen();
    this.#context.journal.save(lane);
  }

  /** A new round of attempts, as soon as this is committed. `head`: as it stands in the database, where a page in memory is too. */
  beginRound(partition: Partition, lane: Lane, head: Delivery | undefined): void {
    this.#forgetQueue(lane, 0);
    lane.mode = 'parked';
    lane.reason = head ? 'failed' : 'gap';
    lane.attempts = 0;
    lane.nextAttemptAt = this.#now();
    if (head) this.#context.journal.update(partition.number, head, 'parked');
    this.#context.journal.save(lane);
    this.#headWriteBegun(partition, lane);
    this.#context.journal.afterCommit(partition.number, () => this.#wakeups.wake(lane));
  }

  /** An operator skips a head that waits in the database. */
  skipStored(partition: Partition, lane: Lane, head: Delivery, reason: string): void {
    lane.queue = [head];
    this.#endpointOf(lane).buffered++;
    this.skip(partition, lane, head, 'skipped', reason);
    lane.nextAttemptAt = this.#now();
  }

  /** An operator skips a sequence that has no record: what waits behind it goes on, as soon as this is committed. */
  skipMissing(partition: Partition, lane: Lane): void {
    this.beginRound(partition, lane, undefined);
    lane.delivered++;
    lane.reason = 'draining';
    this.#context.witness.passedOver(lane, lane.delivered);
  }

  #pass(
    partition: Partition,
    lane: Lane,
    delivery: Delivery,
    state: 'delivered' | 'skipped' | 'expired' | 'exhausted',
    reason: string | null,
  ): true {
    this.#context.journal.finish(partition.number, delivery, state, reason);
    this.#context.metrics.finished.inc({ state });
    lane.passHead();
    if (state !== 'delivered') this.#context.witness.passedOver(lane, lane.delivered);
    if (lane.unorderedEventId !== null) lane.reopen();
    // What is parked is due now: without an instant the sweeper would never find it.
    if (lane.mode === 'parked') {
      lane.nextAttemptAt = this.#now();
      lane.reason = 'draining';
    }
    this.#endpointOf(lane).buffered--;
    this.#context.journal.save(lane);
    return true;
  }

  #exhaust(partition: Partition, lane: Lane, delivery: Delivery, policy: EndpointPolicy): boolean {
    const { metrics, outgoing, journal } = this.#context;
    const isUnordered = delivery.sequence === null;
    if (!isUnordered && policy.onExhausted === 'block') return this.halt(partition, lane, 'exhausted');
    journal.afterCommit(partition.number, () => {
      outgoing.deadLetterDelivery(delivery, 'exhausted');
      metrics.deadLetters.inc({ reason: 'exhausted' });
    });
    this.#pass(partition, lane, delivery, isUnordered ? 'exhausted' : 'skipped', 'exhausted');
    return isUnordered || this.#holdUntilCommitted(partition, lane);
  }

  /** The next one must not start before the skip is on record: an owner that knows nothing of it would send this one after it. */
  #holdUntilCommitted(partition: Partition, lane: Lane): false {
    lane.place = 'stalled';
    this.#context.journal.afterCommit(partition.number, () => {
      lane.place = 'idle';
      this.#wakeups.wake(lane);
    });
    return false;
  }

  #block(lane: Lane, mode: 'parked' | 'halted', reason: BlockReason): void {
    lane.block(mode, reason, this.#now());
  }

  /** Writes the head in its new state and those of its successors that PostgreSQL doesn't have; memory keeps none. */
  #parkQueue(partition: Partition, lane: Lane, headState: 'parked' | 'exhausted'): void {
    const { journal, metrics } = this.#context;
    lane.queue.forEach((delivery, index) => {
      const state = index === 0 ? headState : 'parked';
      if (!delivery.stored) {
        journal.insert(partition.number, delivery, state, lane.nextAttemptAt);
        metrics.parked.inc({ reason: lane.reason ?? 'failed' });
      } else if (index === 0) {
        journal.update(partition.number, delivery, state, lane.nextAttemptAt);
      }
    });
    lane.headEventId = lane.queue[0]?.event.eventId ?? null;
    this.#keepHead(lane);
    journal.save(lane);
    this.#headWriteBegun(partition, lane);
    this.#parkWriteBegun(partition, lane);
  }

  /** Until the write is committed the lane does not run: a page that was read meanwhile shows the head as it was. */
  #headWriteBegun(partition: Partition, lane: Lane): void {
    lane.headWritesPending++;
    this.#context.journal.afterCommit(partition.number, () => lane.headWritesPending--);
  }

  /** Until the write is committed the lane does not re-open: a page that was read meanwhile may lack the row. */
  #parkWriteBegun(partition: Partition, lane: Lane): void {
    lane.parksBegun++;
    lane.parksPending++;
    this.#context.journal.afterCommit(partition.number, () => {
      lane.parksPending--;
      if (lane.mode === 'parked') this.#wakeups.wakeWhenDue(lane);
    });
  }

  /** Memory keeps a head in flight, and an unordered delivery: there is no page to read that back from. */
  #keepHead(lane: Lane): void {
    this.#forgetQueue(lane, lane.inFlight || lane.unorderedEventId !== null ? Math.min(1, lane.queue.length) : 0);
  }

  #forgetQueue(lane: Lane, keep: number): void {
    this.#endpointOf(lane).buffered -= lane.queue.length - keep;
    lane.queue.length = keep;
  }

  #endpointOf(lane: Lane): EndpointState {
    return this.#context.endpoints.get(lane.endpointId);
  }

  #now(): number {
    return this.#context.databaseClock.now();
  }
}
