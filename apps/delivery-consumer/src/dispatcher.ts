// The consumer's main path: records and tickets in, lanes run, one journal transaction at a time, offsets out.
import type { Clock, Random } from '#clock';
import type { FenceResult, Owned, Waiting } from '#deliveries';
import { failpoint } from '#failpoint';
import type { CommitOffset, RecordBatch } from '#kafka';
import type { LineLogger, Logger } from '#telemetry';
import type { LoopResult } from '#worker';
import { type Lane, laneKey } from '#lane';
import { type Claim, Claims } from './claims.ts';
import { type Context, type DispatcherOptions, maySend } from './context.ts';
import { DatabaseClock } from './database-clock.ts';
import { EndpointRegistry } from './endpoint-registry.ts';
import { Journal } from './journal.ts';
import type { ConsumerMetrics } from './metrics.ts';
import { OrderWitness } from './order-witness.ts';
import { Outgoing } from './outgoing.ts';
import { LEASE_MARGIN_MS, Partition } from './partition.ts';
import type { DeliveryStore, EndpointSource, Log, Sender } from './ports.ts';
import { Reception } from './reception.ts';
import { Retries } from './retries.ts';
import { Runner } from './runner.ts';
import { Scheduler } from './scheduler.ts';

const COMMIT_OFFSETS_EVERY_MS = 1_000;
const COMMIT_AGAIN_EVERY_MS = 60_000;
const ACQUIRE_EVERY_MS = 250;
const REFRESH_ENDPOINTS_EVERY_MS = 1_000;

export interface DispatcherPorts {
  store: DeliveryStore;
  endpoints: EndpointSource;
  log: Log;
  sender: Sender;
  clock: Clock;
  random: Random;
  logger: Logger;
  attemptLogger: LineLogger;
  metrics: ConsumerMetrics;
  /** True while this process itself is short of processor time. */
  isBusy: () => boolean;
  /** Partitions of every topic. */
  topicPartitions: number;
}

export class Dispatcher {
  readonly #context: Context;
  readonly #runner: Runner;
  readonly #claims: Claims;
  readonly #reception: Reception;
  readonly #retries: Retries;
  readonly #eventsTopic: string;
  #renewAt = 0;
  #acquireAt = 0;
  #spillAt = 0;
  #refreshAt = 0;
  #commitOffsetsAt = 0;
  #commitAgainAt = 0;
  #isStopping = false;
  /** Leases to give back: nothing of them is ours any more but the lease. */
  #releasing: Owned[] = [];

  constructor(options: DispatcherOptions, ports: DispatcherPorts) {
    const { clock, logger, log } = ports;
    const databaseClock = new DatabaseClock(clock);
    this.#eventsTopic = `${options.topicPrefix}.events`;
    this.#context = {
      options,
      store: ports.store,
      log,
      sender: ports.sender,
      clock,
      databaseClock,
      random: ports.random,
      isBusy: ports.isBusy,
      logger,
      attemptLogger: ports.attemptLogger,
      metrics: ports.metrics,
      partitions: new Map(),
      endpoints: new EndpointRegistry(ports.endpoints, options.circuitBreaker),
      scheduler: new Scheduler(options),
      journal: new Journal(
        () => clock.monotonic(),
        () => databaseClock.now(),
      ),
      witness: new OrderWitness((violation) => {
        ports.metrics.orderViolations.inc();
        logger.error(violation, 'a request was made out of order');
      }),
      outgoing: new Outgoing({ log, logger, topicPrefix: options.topicPrefix, partitions: ports.topicPartitions }),
    };
    this.#runner = new Runner(this.#context);
    this.#claims = new Claims(this.#context, this.#runner.transitions);
    this.#reception = new Reception(this.#context, this.#runner, this.#claims);
    this.#retries = new Retries(this.#context, this.#runner);
  }

  /** Before anything else: the database's clock. Throws while PostgreSQL is away. */
  async prepare(): Promise<void> {
    const askedAt = this.#context.clock.monotonic();
    this.#context.databaseClock.set(await this.#context.store.databaseNow(), askedAt);
  }

  // ── in ────────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** A batch from the log. Returns at once. */
  receive(batch: RecordBatch): void {
    const partition = this.#context.partitions.get(batch.partition);
    if (!partition || this.#isStopping || partition.phase === 'leaving') return;
    if (batch.topic !== this.#eventsTopic) this.#retries.receiveTickets(partition, batch);
    else this.#reception.receive(partition, batch);
    this.#regulate(partition);
  }

  /** The full set of partitions that the group gave us. Those kept go on as they are; those lost are drained. */
  assign(numbers: readonly number[]): void {
    const { partitions } = this.#context;
    for (const number of numbers) {
      const known = partitions.get(number);
      if (this.#isStopping) continue;
      if (!known) partitions.set(number, new Partition(number));
      else {
        if (known.phase === 'leaving') known.phase = 'owned';
        known.records.commitAgain();
      }
    }
    for (const partition of partitions.values()) {
      if (!numbers.includes(partition.number)) this.#leave(partition);
      // Paused in the log only as far as it was assigned before.
      else if (partition.isPaused) this.#context.log.pause(partition.number);
    }
    this.#acquireAt = 0;
  }

  // ── the loops ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** R7: writes what happened, renews the leases when due, and lets the consequences follow. Throws on a fault of PostgreSQL. */
  async flush(): Promise<LoopResult> {
    const { journal, store, clock, databaseClock, options, outgoing, metrics } = this.#context;
    const hasNews = !journal.isEmpty;
    if (hasNews) await failpoint('consumer.before_flush');
    const askedAt = clock.monotonic();
    const isRenewal = askedAt >= this.#renewAt;
    const owned = this.#owned();
    if (owned.length > 0 && (isRenewal || !journal.isEmpty)) {
      const cut = journal.cut();
      const result = await store.commit(owned, isRenewal ? options.leaseMs : null, cut.batch, (databaseNow) =>
        databaseClock.set(databaseNow, askedAt),
      );
      metrics.flushDuration.observe((clock.monotonic() - askedAt) / 1000);
      if (isRenewal) this.#renewed(result, askedAt);
      this.#loseAllBut(owned, result);
      const claims = this.#claimsOf(result.refused);
      journal.committed(cut, result);
      for (const claim of claims) this.#claims.settle(claim);
    }
    if (hasNews) await failpoint('consumer.after_flush_before_offsets');
    await this.#commitOffsets(clock.monotonic());
    void outgoing.flush();
    for (const partition of this.#context.partitions.values()) {
      this.#runner.resume(partition);
      this.#regulate(partition);
    }
    return { nextInMs: Math.max(0, options.flushIntervalMs - (clock.monotonic() - askedAt)) };
  }

  /** What must not wait for the database: leases that run out while it hangs, and records that have waited too long. */
  watch(): LoopResult {
    const now = this.#context.clock.monotonic();
    this.#watchLeases(now);
    if (now >= this.#spillAt) this.#spillWaiting(now);
    return { nextInMs: 50 };
  }

  /** Everything that is neither a record nor a flush: leases to take and to give back, due lanes, changed endpoints. */
  async tend(): Promise<LoopResult> {
    const now = this.#context.clock.monotonic();
    if (now >= this.#acquireAt) await this.#acquire(now);
    await this.#releaseDrained();
    if (now >= this.#refreshAt) {
      await this.#retries.endpointsChanged(await this.#context.endpoints.refresh());
      this.#refreshAt = now + REFRESH_ENDPOINTS_EVERY_MS;
    }
    await this.#retries.runOnce();
    return { nextInMs: 50 };
  }

  /** R12: no new requests; those in flight end; everything is written and committed; the leases are given back. The loops go on. */
  async drain(): Promise<void> {
    this.#isStopping = true;
    for (const partition of this.#context.partitions.values()) this.#leave(partition);
    while (this.#context.partitions.size + this.#releasing.length > 0 || !this.#context.outgoing.isEmpty) {
      await new Promise<void>((resolve) => this.#context.clock.schedule(10, resolve));
    }
    this.#runner.stop();
  }

  // ── what the screens and metrics read ─────────────────────────────────────────────────────────────────────────────

  get inFlight(): number {
    return this.#context.scheduler.inFlight;
  }

  get ownedPartitions(): number {
    return this.#owned().length;
  }

  get waitingPartitions(): number[] {
    return [...this.#context.partitions.values()]
      .filter(({ phase }) => phase === 'waiting')
      .map(({ number }) => number);
  }

  /** Deliveries in memory, of all endpoints: they count against each one's limit. */
  get bufferedDeliveries(): number {
    return this.#context.endpoints.bufferedDeliveries;
  }

  get bufferedRecords(): number {
    let buffered = 0;
    for (const partition of this.#context.partitions.values()) buffered += partition.records.pending.records;
    return buffered;
  }

  // ── ownership ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #owned(): Owned[] {
    return [...this.#context.partitions.values()]
      .filter(({ phase }) => phase === 'owned' || phase === 'leaving')
      .map(({ number, epoch }) => ({ partition: number, epoch }));
  }

  /** R1: what came before the lease was ours is received now; what waits in the database is looked for. */
  async #acquire(now: number): Promise<void> {
    this.#acquireAt = now + ACQUIRE_EVERY_MS;
    const waiting = this.waitingPartitions;
    if (waiting.length === 0 || this.#isStopping) return;
    const { store, options, clock, partitions, logger } = this.#context;
    const askedAt = clock.monotonic();
    const acquired = await store.acquire(options.leaseMs, waiting);
    const hit = failpoint('consumer.after_acquire');
    if (hit) await hit;
    for (const { partition: number, epoch, isClean, uncleanEpoch, uncleanAt } of acquired) {
      const partition = partitions.get(number);
      if (partition?.phase !== 'waiting') continue;
      partition.phase = 'owned';
      partition.epoch = epoch;
      partition.leaseUntil = askedAt + options.leaseMs;
      partition.lastUnclean = uncleanAt === null ? null : { epoch: uncleanEpoch, at: uncleanAt };
      logger.info({ partition: number, epoch, clean: isClean }, 'partition acquired');
      this.#reception.admitWaiting(partition);
    }
    this.#retries.sweepSoon();
  }

  #renewed(result: FenceResult, askedAt: number): void {
    const { partitions, options } = this.#context;
    this.#renewAt = askedAt + options.leaseMs / 3;
    for (const number of result.owned) {
      const partition = partitions.get(number);
      if (partition) partition.leaseUntil = askedAt + options.leaseMs;
    }
  }

  #loseAllBut(owned: readonly Owned[], result: FenceResult): void {
    for (const { partition: number } of owned) {
      const partition = this.#context.partitions.get(number);
      if (!result.owned.has(number) && partition) this.#lose(partition);
    }
  }

  /**
   * Another consumer took it: what memory holds of it is void. If it is still assigned to us, it is read anew after the
   * next join, and not before: records that come at the old position would hide those before them.
   */
  #lose(partition: Partition): void {
    const { metrics, logger, log } = this.#context;
    const isAssigned = partition.phase === 'owned';
    metrics.leaseLost.inc();
    logger.error(
      { partition: partition.number, epoch: partition.epoch },
      'partition was taken over by another consumer',
    );
    this.#drop(partition);
    this.#context.journal.forget(partition.number);
    partition.abortRequests();
    if (isAssigned) log.rewind(`partition ${partition.number} was taken over and is still assigned`);
  }

  /** R2: not renewed in time: nothing new starts (the gate sees to that), and what is in flight is cut before the lease ends. */
  #watchLeases(now: number): void {
    for (const partition of this.#context.partitions.values()) {
      const isOurs = partition.phase === 'owned' || partition.phase === 'leaving';
      if (isOurs && partition.inFlight > 0 && now >= partition.leaseUntil - LEASE_MARGIN_MS) {
        this.#context.logger.warn(
          { partition: partition.number, inFlight: partition.inFlight },
          'lease not renewed in time: requests are cut',
        );
        partition.abortRequests();
      }
    }
  }

  #leave(partition: Partition): void {
    if (partition.phase === 'waiting') this.#drop(partition);
    else if (partition.phase === 'owned') partition.phase = 'leaving';
  }

  async #releaseDrained(): Promise<void> {
    const { partitions, journal, store, logger } = this.#context;
    const drained = [...partitions.values()].filter(
      (partition) => partition.phase === 'leaving' && partition.inFlight === 0 && !journal.concerns(partition.number),
    );
    if (drained.length > 0 && this.#isStopping) await this.#commitOffsets(Infinity);
    // Dropped before the release is sent: one that is given back meanwhile begins anew, with a lease of its own.
    for (const partition of drained) {
      if (partition.phase !== 'leaving') continue;
      this.#releasing.push({ partition: partition.number, epoch: partition.epoch });
      this.#drop(partition);
    }
    if (this.#releasing.length === 0) return;
    await failpoint('consumer.before_release');
    await store.release(this.#releasing);
    logger.info({ partitions: this.#releasing.map(({ partition }) => partition) }, 'partitions released');
    this.#releasing = [];
  }

  #drop(partition: Partition): void {
    for (const lane of partition.lanes.values()) {
      const endpoint = this.#context.endpoints.find(lane.endpointId);
      if (endpoint) endpoint.buffered -= lane.queue.length;
      lane.queue.length = 0;
    }
    partition.phase = 'gone';
    this.#context.partitions.delete(partition.number);
  }

  // ── memory and offsets ────────────────────────────────────────────────────────────────────────────────────────────

  /** Reads no further while too much is in memory; the retry topic is always read. */
  #regulate(partition: Partition): void {
    const { options, partitions, log } = this.#context;
    const share = 1 / Math.max(1, partitions.size);
    const { pending, uncommitted } = partition.records;
    const waitingBytes = partition.arrivals.reduce(
      (sum, { record }) => sum + (record.value?.length ?? 0),
      pending.bytes,
    );
    const buffered = Math.max(
      (pending.records + partition.arrivals.length) / Math.max(100, options.maxBufferedRecords * share),
      waitingBytes / Math.max(1_048_576, options.maxBufferedBytes * share),
      uncommitted / (options.maxUncommittedRecords * share),
    );
    if (!partition.isPaused && buffered > 1) {
      partition.isPaused = true;
      log.pause(partition.number);
    } else if (partition.isPaused && buffered < 0.5) {
      partition.isPaused = false;
      log.resume(partition.number);
    }
  }

  /** R4: what has waited too long, for a slot or behind a slow head, must not hold the partition's offsets and memory. */
  #spillWaiting(now: number): void {
    const { maxWaitMs, maxWaitWhenBusyMs } = this.#context.options;
    this.#spillAt = now + maxWaitMs / 4;
    const since = now - (this.#context.isBusy() ? maxWaitWhenBusyMs : maxWaitMs);
    for (const partition of this.#context.partitions.values()) {
      if (!maySend(this.#context, partition)) continue;
      for (const lane of partition.lanes.values()) {
        const head = lane.mode === 'open' ? lane.queue[0] : undefined;
        if (head && !head.stored && head.admittedAt <= since && this.#isHeldUp(lane, since))
          this.#runner.transitions.spill(partition, lane, 'spilled');
      }
    }
  }

  /** By its head, in flight since then, or by its endpoint, which takes no more requests at once. */
  #isHeldUp(lane: Lane, since: number): boolean {
    if (lane.inFlight) return lane.inFlightSince <= since;
    const endpoint = this.#context.endpoints.get(lane.endpointId);
    return endpoint.inFlight >= endpoint.maxConcurrency;
  }

  /** The lowest offset that is not done, for each partition. Duplicates don't depend on it: the lanes' rows do that. */
  async #commitOffsets(now: number): Promise<void> {
    if (now < this.#commitOffsetsAt) return;
    this.#commitOffsetsAt = (now === Infinity ? 0 : now) + COMMIT_OFFSETS_EVERY_MS;
    const offsets: CommitOffset[] = [];
    // Deleted offsets come back by themselves, also where nothing is read.
    const isAgain = now >= this.#commitAgainAt;
    if (isAgain) this.#commitAgainAt = now + COMMIT_AGAIN_EVERY_MS;
    for (const partition of this.#context.partitions.values()) {
      if (partition.phase === 'waiting') continue;
      if (isAgain) partition.records.commitAgain();
      const offset = partition.records.committable();
      if (offset !== null) {
        offsets.push({ topic: this.#eventsTopic, partition: partition.number, offset });
        partition.records.committed(offset);
      }
      if (partition.ticketOffset !== null) {
        offsets.push({
          topic: `${this.#context.options.topicPrefix}.retry`,
          partition: partition.number,
          offset: partition.ticketOffset,
        });
        partition.ticketOffset = null;
      }
    }
    if (offsets.length === 0) return;
    await this.#context.log.commit(offsets);
    await failpoint('consumer.after_offsets');
  }

  /** Rows that PostgreSQL had already: a record read twice, or another event under the same sequence. Its records wait for the answer. */
  #claimsOf(refused: readonly Waiting[]): Claim[] {
    return refused.flatMap(({ partition, delivery }) => {
      const { event, sequence } = delivery;
      if (sequence === null) return [];
      const lane = this.#context.partitions.get(partition)?.lanes.get(laneKey(delivery.endpointId, event.streamId));
      return lane ? [{ lane, sequence, event, positions: delivery.positions.splice(0) }] : [];
    });
  }
}
