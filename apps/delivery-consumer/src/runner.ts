// Runs lanes: takes the next one whose turn it is, sends its head, and acts on the outcome.
import type { DueDelivery } from '#deliveries';
import { type Delivery, type Due, DueHeap, Lane, type Outcome } from '#lane';
import { findEventType } from '#events';
import { attempt, type AttemptDone } from './attempt.ts';
import { type Context, maySend, partitionOf } from './context.ts';
import type { EndpointState } from './endpoint-state.ts';
import { PageLoader } from './page-loader.ts';
import type { Partition } from './partition.ts';
import type { Slot } from './scheduler.ts';
import { HOLD_MS, Transitions, type Wakeups } from './transitions.ts';

/**
 * Requests started in one turn of the event loop. With all 512 at once a flush under full load took 0.25 s, as its statements
 * wait for their turns; with 128 0.19 s and 5 % fewer deliveries, with 32 0.09 s and 18 % fewer.
 */
const BURST = 128;
/** After a fault of the database a lane is tried again this much later. */
const FAULT_PAUSE_MS = 1_000;

/** What is to be done with the head instead of, or before, a request. */
type Verdict =
  | { kind: 'send'; isProbe: boolean }
  | { kind: 'closed' }
  | { kind: 'skip'; state: 'skipped' | 'expired'; reason: string }
  | { kind: 'invalid' };

export class Runner implements Wakeups {
  readonly transitions: Transitions;
  readonly #context: Context;
  readonly #pages: PageLoader;
  readonly #due = new DueHeap<Lane>();
  #cancelTimer: (() => void) | null = null;
  #timerAt = Infinity;
  #isPumping = false;

  constructor(context: Context) {
    this.#context = context;
    this.transitions = new Transitions(context, this);
    this.#pages = new PageLoader(context.store, context.options.pageSize);
  }

  wake(lane: Lane): void {
    if ((lane.place !== 'idle' && lane.place !== 'waiting') || lane.mode === 'halted') return;
    lane.place = 'ready';
    lane.dueEntry = null;
    this.#context.scheduler.add(this.#context.endpoints.get(lane.endpointId), lane);
    this.#pumpSoon();
  }

  wakeWhenDue(lane: Lane): void {
    if (lane.place !== 'idle' || lane.mode === 'halted') return;
    // A closed endpoint's lanes wait in the database: the sweeper finds them when it opens.
    if (this.#endpointOf(lane).isClosed(this.#context.clock.monotonic())) return;
    const at = this.#context.databaseClock.toMonotonic(lane.nextAttemptAt ?? 0);
    if (at <= this.#context.clock.monotonic()) return this.wake(lane);
    lane.place = 'waiting';
    lane.dueEntry = this.#due.push(at, lane);
    this.#armTimer();
  }

  /** Lets lanes run again that waited for the lease or the journal. */
  resume(partition: Partition): void {
    if (partition.stalled.length === 0 || !maySend(this.#context, partition)) return;
    for (const lane of partition.stalled.splice(0)) {
      lane.place = 'idle';
      this.wake(lane);
    }
  }

  stop(): void {
    this.#cancelTimer?.();
  }

  /** Starts what the limits allow, a burst in each turn of the event loop: the answers of PostgreSQL come in between. */
  #pumpSoon(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      for (let started = 0; started < BURST; started++) {
        const slot = this.#context.scheduler.next();
        if (!slot) return;
        void this.#run(slot);
      }
      this.#pumpSoon();
    });
  }

  async #run(slot: Slot): Promise<void> {
    const { lane, endpoint } = slot;
    const partition = partitionOf(this.#context, lane);
    lane.place = 'running';
    let goesOn = false;
    try {
      if (partition) goesOn = await this.#step(partition, lane, endpoint);
    } catch (error) {
      this.#context.logger.error(
        { error, endpointId: lane.endpointId, streamId: lane.streamId },
        'lane could not run; it is tried again',
      );
      // Nothing else may wake it: a timer that fires later would start a head that has failed meanwhile, before it is due.
      lane.place = 'stalled';
      this.#context.clock.schedule(FAULT_PAUSE_MS, () => {
        lane.place = 'idle';
        this.wake(lane);
      });
    } finally {
      this.#context.scheduler.release(slot);
      if (lane.place === 'running') lane.place = 'idle';
      if (goesOn || (lane.mode === 'open' && lane.queue.length > 0)) this.wake(lane);
      // Also when this one can't go on: the slot is free for others.
      this.#pumpSoon();
    }
  }

  /** One turn of a lane. True: it has more to do at once. A promise only where there is something to wait for. */
  #step(partition: Partition, lane: Lane, endpoint: EndpointState): boolean | Promise<boolean> {
    if (!maySend(this.#context, partition)) return this.#stall(partition, lane);
    // The head is being written (it failed, or an operator dealt with it while the lane stood in a queue): the commit wakes it.
    if (lane.mode === 'parked' && lane.headWritesPending > 0) return false;
    if (lane.mode === 'parked' && lane.queue.length === 0) return this.#loadAndSend(partition, lane, endpoint);
    return this.#sendHead(partition, lane, endpoint);
  }

  async #loadAndSend(partition: Partition, lane: Lane, endpoint: EndpointState): Promise<boolean> {
    if (!(await this.#loadPage(lane))) return false;
    if (!maySend(this.#context, partition)) return this.#stall(partition, lane);
    return this.#sendHead(partition, lane, endpoint);
  }

  #sendHead(partition: Partition, lane: Lane, endpoint: EndpointState): boolean | Promise<boolean> {
    const delivery = lane.sendable();
    if (!delivery) return false;
    const verdict = this.#judge(endpoint, delivery);
    switch (verdict.kind) {
      case 'closed':
        this.transitions.parkForClosedEndpoint(partition, lane);
        return false;
      case 'skip':
        return this.transitions.skip(partition, lane, delivery, verdict.state, verdict.reason);
      case 'invalid':
        return this.transitions.halt(partition, lane, 'invalid_payload');
      case 'send':
        return this.#send(partition, lane, endpoint, delivery, verdict.isProbe);
    }
  }

  async #send(
    partition: Partition,
    lane: Lane,
    endpoint: EndpointState,
    delivery: Delivery,
    isProbe: boolean,
  ): Promise<boolean> {
    const policy = endpoint.policy!;
    const request = { wasProbe: isProbe, startedAt: this.#context.clock.monotonic() };
    lane.inFlight = delivery;
    lane.inFlightSince = request.startedAt;
    partition.inFlight++;
    let done: AttemptDone | undefined;
    try {
      done = await attempt({ partition, delivery, policy, isProbe }, this.#context);
    } finally {
      // In one go with what follows: a lane without a request in flight may lose its queue to the database at any await.
      lane.inFlight = null;
      partition.inFlight--;
      this.#context.witness.ended(delivery, done?.outcome.kind === 'success');
      if (isProbe) endpoint.breaker.probeUnknown();
    }
    const { outcome, row } = done;
    this.#tellBreaker(endpoint, lane, outcome, request);
    if (partition.phase === 'gone') return false;
    if (row) this.#context.journal.attempt(row);
    switch (outcome.kind) {
      case 'success':
        return this.transitions.succeed(partition, lane, delivery);
      case 'gone':
        this.#pauseEndpoint(endpoint);
        return this.transitions.fail(partition, lane, delivery, { outcome, policy, isCounted: true });
      case 'held':
      case 'unknown':
        return this.transitions.fail(partition, lane, delivery, { outcome, policy, isCounted: false });
      case 'failure':
        return this.transitions.fail(partition, lane, delivery, { outcome, policy, isCounted: !isProbe });
    }
  }

  #judge(endpoint: EndpointState, delivery: Delivery): Verdict {
    if (endpoint.isDeleted)
      return { kind: 'skip', state: 'skipped', reason: endpoint.policy ? 'endpoint_deleted' : 'endpoint_unknown' };
    if (delivery.event.payloadFault !== undefined) {
      return delivery.sequence === null
        ? { kind: 'skip', state: 'skipped', reason: 'invalid_payload' }
        : { kind: 'invalid' };
    }
    const expiresAfterMs = delivery.sequence === null ? findEventType(delivery.event.type)?.expiresAfterMs : undefined;
    if (expiresAfterMs && this.#context.databaseClock.now() >= Date.parse(delivery.event.enqueuedAt) + expiresAfterMs) {
      return { kind: 'skip', state: 'expired', reason: 'expired' };
    }
    if (endpoint.isPaused) return { kind: 'closed' };
    const answer = endpoint.breaker.ask(this.#context.clock.monotonic());
    return answer === 'no' ? { kind: 'closed' } : { kind: 'send', isProbe: answer === 'probe' };
  }

  /** Reads what waits in the database. Returns true when the head is at hand. */
  async #loadPage(lane: Lane): Promise<boolean> {
    if (lane.unorderedEventId !== null) return false;
    for (;;) {
      const { parksBegun } = lane;
      const isProof = lane.parksPending === 0;
      const page = await this.#pages.load(lane);
      if (lane.mode !== 'parked' || partitionOf(this.#context, lane) === undefined) return false;
      if (page[0]?.sequence === lane.delivered + 1) return this.#takePage(lane, page);
      // The commit of a park write that is still pending wakes the lane.
      if (lane.parksPending > 0) return false;
      // Only a read that began after the commit of the last park write proves that nothing waits.
      if (!isProof || lane.parksBegun !== parksBegun) continue;
      lane.place = 'idle';
      if (page.length > 0) this.transitions.waitForGap(lane);
      else this.transitions.reopen(lane);
      return false;
    }
  }

  #takePage(lane: Lane, page: Delivery[]): true {
    const gapAt = page.findIndex((delivery, index) => delivery.sequence !== lane.delivered + 1 + index);
    lane.queue = gapAt < 0 ? page : page.slice(0, gapAt);
    this.#endpointOf(lane).buffered += lane.queue.length;
    return true;
  }

  /** Takes a parked lane from the database into memory, unless memory knows better. `isProbe`: it is tried now, due or not. */
  adopt(lane: Lane, isProbe = false): void {
    const partition = this.#context.partitions.get(lane.partition);
    if (partition?.phase !== 'owned') return;
    const known = partition.lanes.get(lane.key);
    if (!known) partition.lanes.set(lane.key, lane);
    const current = known ?? lane;
    if (current.mode !== 'parked' || current.inFlight || current.unsaved > 0) return;
    if (isProbe) this.wake(current);
    else this.wakeWhenDue(current);
  }

  /** Takes an unordered delivery that waits in the database into memory, unless it is there. */
  adoptUnordered(partition: Partition, { delivery, nextAttemptAt, countedAttempts }: DueDelivery): void {
    const { tenantId, streamId, eventId } = delivery.event;
    const lane = new Lane({
      endpointId: delivery.endpointId,
      streamId,
      tenantId,
      partition: partition.number,
      unorderedEventId: eventId,
    });
    const known = partition.lanes.get(lane.key);
    if (known?.mode === 'parked' && known.queue.length > 0 && known.unsaved === 0) this.wakeWhenDue(known);
    if (known) return;
    lane.queue = [delivery];
    lane.attempts = countedAttempts;
    lane.nextAttemptAt = nextAttemptAt;
    lane.block('parked', 'failed', this.#context.databaseClock.now());
    this.#endpointOf(lane).buffered++;
    partition.lanes.set(lane.key, lane);
    this.wakeWhenDue(lane);
  }

  #stall(partition: Partition, lane: Lane): false {
    lane.place = 'stalled';
    partition.stalled.push(lane);
    return false;
  }

  #tellBreaker(
    endpoint: EndpointState,
    lane: Lane,
    outcome: Outcome,
    request: { wasProbe: boolean; startedAt: number },
  ): void {
    const { breaker } = endpoint;
    const now = this.#context.clock.monotonic();
    if (outcome.kind === 'success') {
      const wasOpen = breaker.openUntil !== null;
      breaker.onSuccess(now);
      if (wasOpen) this.onEndpointOpened?.();
    } else if (outcome.kind === 'held') {
      breaker.hold(now, HOLD_MS);
    } else if (outcome.kind !== 'unknown' && breaker.onFailure(lane.key, request, now)) {
      this.#context.metrics.breakersOpened.inc();
      this.#context.logger.warn({ endpointId: endpoint.id }, 'circuit breaker opened');
    }
  }

  /** Called when an endpoint may be sent to again: its lanes wait in the database. */
  onEndpointOpened: (() => void) | null = null;

  #pauseEndpoint(endpoint: EndpointState): void {
    this.#context.metrics.endpointsPaused.inc();
    this.#context.logger.error({ endpointId: endpoint.id }, 'endpoint answered 410 Gone and is paused');
    this.#context.endpoints.pause(endpoint.id, 'gone_410').catch((error: unknown) => {
      this.#context.logger.warn(
        { error, endpointId: endpoint.id },
        'could not pause the endpoint; its next 410 tries again',
      );
    });
  }

  #endpointOf(lane: Lane): EndpointState {
    return this.#context.endpoints.get(lane.endpointId);
  }

  #armTimer(): void {
    const at = this.#due.nextAt;
    if (at === null || at >= this.#timerAt) return;
    this.#cancelTimer?.();
    this.#timerAt = at;
    this.#cancelTimer = this.#context.clock.schedule(at - this.#context.clock.monotonic(), () => this.#fire());
  }

  #fire(): void {
    this.#timerAt = Infinity;
    const now = this.#context.clock.monotonic();
    for (let entry: Due<Lane> | undefined; (entry = this.#due.pop(now));) {
      if (entry.item.place === 'waiting' && entry.item.dueEntry === entry) this.wake(entry.item);
    }
    this.#armTimer();
  }
}
