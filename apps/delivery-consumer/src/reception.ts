// Records come in: decode, look up what is unknown with one query for all, then admit each to its lanes in log order.
import type { DueDelivery, UnorderedId } from '#deliveries';
import { decodeRecord, type WaybillEvent } from '#events';
import type { ConsumedRecord, RecordBatch } from '#kafka';
import { type Delivery, Lane, laneKey, newDelivery, OffsetTracker, type RecordPosition } from '#lane';
import type { Claims } from './claims.ts';
import type { Context } from './context.ts';
import type { Arrival, Partition } from './partition.ts';
import type { Runner } from './runner.ts';

interface Addressed {
  partition: Partition;
  arrival: Arrival;
}

/** What the database knows of lanes and unordered deliveries that are not in memory. */
interface Known {
  lanes: Map<string, Lane>;
  waiting: Map<string, DueDelivery>;
  terminal: Set<string>;
}

export class Reception {
  readonly #context: Context;
  readonly #runner: Runner;
  readonly #claims: Claims;
  #isRunning = false;

  constructor(context: Context, runner: Runner, claims: Claims) {
    this.#context = context;
    this.#runner = runner;
    this.#claims = claims;
  }

  /** Takes records of a partition. Returns at once: Kafka is not read while it waits for us. */
  receive(partition: Partition, batch: RecordBatch): void {
    // Shorter than what was read of it: the topic was made anew.
    if (batch.highWatermark < partition.records.nextOffset) this.#beginAnew(partition, batch);
    // Decoded here: keys and headers are views on the whole fetch, which must not stay in memory for them.
    for (const record of batch.records) partition.arrivals.push(toArrival(record, partition.records));
    if (partition.phase === 'owned') this.admitWaiting(partition);
  }

  /** What was read of the old log goes on as it is, but its offsets mean nothing now. What nobody read the reconciler finds. */
  #beginAnew(partition: Partition, batch: RecordBatch): void {
    this.#context.logger.warn(
      { partition: partition.number, readUntil: partition.records.nextOffset, end: batch.highWatermark },
      'the log ends before what was read of it: it was made anew, or a broker lags; its records are read as new ones',
    );
    partition.records = new OffsetTracker();
  }

  /** The partition is ours: what has come for it goes to its lanes. */
  admitWaiting(partition: Partition): void {
    if (!this.#isRunning && partition.arrivals.length > 0) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let arrivals = this.#takeArrivals(); arrivals.length > 0; arrivals = this.#takeArrivals()) {
      const known = await this.#lookUp(arrivals);
      for (const { partition, arrival } of arrivals) this.#admit(partition, arrival, known);
      this.#evictLanes();
    }
    this.#isRunning = false;
  }

  /** All that has come for the partitions that are ours: one look-up serves them all. */
  #takeArrivals(): Addressed[] {
    return [...this.#context.partitions.values()].flatMap((partition) =>
      partition.phase === 'owned' ? partition.arrivals.splice(0).map((arrival) => ({ partition, arrival })) : [],
    );
  }

  /** Waits for the database as long as it takes: nothing may be judged by a guess. */
  async #lookUp(arrivals: readonly Addressed[]): Promise<Known> {
    for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 2_000)) {
      try {
        return await this.#tryLookUp(arrivals);
      } catch (error) {
        this.#context.logger.warn({ error }, 'could not look up lanes; trying again');
        await new Promise<void>((resolve) => this.#context.clock.schedule(delayMs, resolve));
      }
    }
  }

  async #tryLookUp(arrivals: readonly Addressed[]): Promise<Known> {
    const { endpoints, store } = this.#context;
    const lanes = new Map<string, { endpointId: string; streamId: string }>();
    const unordered = new Map<string, UnorderedId>();
    const endpointIds = new Set<string>();
    for (const { partition, arrival } of arrivals) {
      const { event } = arrival;
      for (const { endpointId, sequence } of event?.targets ?? []) {
        endpointIds.add(endpointId);
        const key = laneKey(endpointId, sequence === null ? event!.eventId : event!.streamId);
        if (partition.lanes.has(key)) continue;
        if (sequence === null)
          unordered.set(key, { endpointId, eventId: event!.eventId, enqueuedAt: event!.enqueuedAt });
        else lanes.set(key, { endpointId, streamId: event!.streamId });
      }
    }
    const [found, seen] = await Promise.all([
      lanes.size > 0 ? store.findLanes([...lanes.values()]) : [],
      unordered.size > 0 ? store.findUnordered([...unordered.values()]) : { waiting: [], terminal: new Set<string>() },
      endpoints.load(endpointIds),
    ]);
    return {
      lanes: new Map(found.map((lane) => [lane.key, lane])),
      waiting: new Map(seen.waiting.map((due) => [laneKey(due.delivery.endpointId, due.delivery.event.eventId), due])),
      terminal: seen.terminal,
    };
  }

  #admit(partition: Partition, { record, event, reason, offsets }: Arrival, known: Known): void {
    if (partition.phase === 'gone') return;
    const position = offsets.receive(record.offset, event?.targets.length ?? 1, record.value?.length ?? 0);
    if (!position) return;
    if (!event) return this.#deadLetter(partition, record, reason, position);
    for (const target of event.targets) {
      if (target.sequence === null) this.#admitUnordered(partition, event, target.endpointId, position, known);
      else this.#admitOrdered(partition, event, target.endpointId, target.sequence, position, known);
    }
  }

  #admitOrdered(
    partition: Partition,
    event: WaybillEvent,
    endpointId: string,
    sequence: number,
    position: RecordPosition,
    known: Known,
  ): void {
    const lane = this.#laneOf(partition, event, endpointId, known);
    const endpoint = this.#context.endpoints.get(endpointId);
    const { transitions } = this.#runner;
    const reception = lane.receive(sequence, this.#context.options.maxQueuedPerLane);
    switch (reception.kind) {
      case 'past':
        this.#context.metrics.duplicateRecords.inc();
        return this.#claims.settle({ lane, sequence, event, positions: [position] });
      case 'known':
        this.#context.metrics.duplicateRecords.inc();
        if (reception.delivery.event.eventId !== event.eventId)
          return this.#claims.settle({ lane, sequence, event, positions: [position] });
        reception.delivery.positions.push(position);
        return;
      case 'park': {
        if (reception.reason === 'gap') this.#context.metrics.gaps.inc();
        return transitions.parkArrival(
          partition,
          lane,
          this.#delivery(event, endpointId, sequence, position),
          reception.reason,
        );
      }
      case 'queue': {
        const delivery = this.#delivery(event, endpointId, sequence, position);
        if (endpoint.isClosed(this.#context.clock.monotonic()))
          return transitions.parkArrival(partition, lane, delivery, 'endpoint_closed');
        if (endpoint.isOverfull && !this.#context.isBusy())
          return transitions.parkArrival(partition, lane, delivery, 'spilled');
        return transitions.queue(lane, delivery);
      }
    }
  }

  /** An unordered delivery is a lane of its own. One that is terminal is never sent again; one that waits, waits on. */
  #admitUnordered(
    partition: Partition,
    event: WaybillEvent,
    endpointId: string,
    position: RecordPosition,
    known: Known,
  ): void {
    const key = laneKey(endpointId, event.eventId);
    const inMemory = partition.lanes.get(key);
    if (inMemory || known.terminal.has(key)) {
      this.#context.metrics.duplicateRecords.inc();
      const waiting = inMemory?.queue[0];
      if (!waiting) position.settle();
      else if (!waiting.stored) waiting.positions.push(position);
      // On record, or about to be: it may wait for as long as its endpoint is paused, and its record must not.
      else this.#context.journal.afterCommit(partition.number, () => position.settle());
      return;
    }
    const stored = known.waiting.get(key);
    if (stored) {
      position.settle();
      return this.#runner.adoptUnordered(partition, stored);
    }
    const lane = this.#newLane(partition, event, endpointId, event.eventId);
    this.#runner.transitions.queue(lane, this.#delivery(event, endpointId, null, position));
  }

  #laneOf(partition: Partition, event: WaybillEvent, endpointId: string, known: Known): Lane {
    const key = laneKey(endpointId, event.streamId);
    const lane = partition.lanes.get(key);
    if (!lane) {
      const stored = known.lanes.get(key);
      if (!stored) return this.#newLane(partition, event, endpointId);
      partition.lanes.set(key, stored);
      return stored;
    }
    // Used last, forgotten last.
    partition.lanes.delete(key);
    partition.lanes.set(key, lane);
    return lane;
  }

  #newLane(partition: Partition, event: WaybillEvent, endpointId: string, unorderedEventId?: string): Lane {
    const lane = new Lane({
      endpointId,
      streamId: event.streamId,
      tenantId: event.tenantId,
      partition: partition.number,
      ...(unorderedEventId === undefined ? {} : { unorderedEventId }),
    });
    partition.lanes.set(lane.key, lane);
    return lane;
  }

  #delivery(event: WaybillEvent, endpointId: string, sequence: number | null, position: RecordPosition): Delivery {
    const admittedAt = this.#context.clock.monotonic();
    return newDelivery({ event, endpointId, sequence, admittedAt, positions: [position] });
  }

  #deadLetter(partition: Partition, record: ConsumedRecord, reason: string, position: RecordPosition): void {
    const { logger, metrics, outgoing } = this.#context;
    logger.error({ partition: partition.number, offset: record.offset, reason }, 'record cannot be decoded');
    outgoing.deadLetterRecord(partition.number, record, reason, () => {
      position.settle();
      metrics.deadLetters.inc({ reason: 'undecodable' });
    });
  }

  /** Idle lanes beyond the limit leave memory, the longest unused first; their rows say all there is to know. */
  #evictLanes(): void {
    const { partitions, options } = this.#context;
    let surplus = -options.maxLanes;
    for (const partition of partitions.values()) surplus += partition.lanes.size;
    if (surplus <= 0) return;
    const share = Math.ceil(surplus / partitions.size) * 2;
    for (const partition of partitions.values()) {
      let looked = 0;
      for (const [key, lane] of partition.lanes) {
        if (looked++ >= share) break;
        if (lane.isClean) partition.evict(key);
      }
    }
  }
}

function toArrival(record: ConsumedRecord, offsets: OffsetTracker): Arrival {
  const decoded = decodeRecord(record);
  return decoded.ok
    ? { record, event: decoded.event, reason: '', offsets }
    : { record, event: null, reason: decoded.reason, offsets };
}
