// What brings parked lanes back: tickets, the sweeper, probes, operator commands, and endpoints that opened or went.
import type { OpenCommand } from '#deliveries';
import type { RecordBatch } from '#kafka';
import { type Delivery, type Lane, laneKey } from '#lane';
import { z } from 'zod';
import { type Context, partitionOf } from './context.ts';
import type { EndpointState } from './endpoint-state.ts';
import type { Partition } from './partition.ts';
import type { Runner } from './runner.ts';

const SWEEP_LIMIT = 1_000;
const COMMAND_LIMIT = 500;
/** A probe that came to nothing (its lane was busy, or none waits) is looked for again after this. */
const PROBE_AGAIN_MS = 1_000;

const ticketSchema = z.object({
  kind: z.enum(['retry', 'command']),
  endpointId: z.uuid(),
  streamId: z.string().min(1).max(200),
});

export class Retries {
  readonly #context: Context;
  readonly #runner: Runner;
  #ticketed: { endpointId: string; streamId: string }[] = [];
  #hasCommands = true;
  #sweepAt = 0;
  #checkDeletedAt = 0;

  constructor(context: Context, runner: Runner) {
    this.#context = context;
    this.#runner = runner;
    runner.onEndpointOpened = () => this.sweepSoon();
  }

  /** Tickets are hints: what can't be read is dropped, what is known already costs nothing. */
  receiveTickets(partition: Partition, batch: RecordBatch): void {
    for (const record of batch.records) {
      partition.ticketOffset = record.offset + 1;
      const ticket = ticketSchema.safeParse(parseJson(record.value));
      if (!ticket.success) continue;
      if (ticket.data.kind === 'command') this.#hasCommands = true;
      else if (!partition.lanes.has(laneKey(ticket.data.endpointId, ticket.data.streamId)))
        this.#ticketed.push(ticket.data);
    }
  }

  /** Everything due is looked for at the next run, not at the next interval. */
  sweepSoon(): void {
    this.#sweepAt = 0;
  }

  /** Settles what waits of endpoints that changed: deleted ones are emptied, opened ones go on. */
  async endpointsChanged(changed: readonly EndpointState[]): Promise<void> {
    if (changed.length > 0) this.sweepSoon();
    for (const endpoint of changed) if (endpoint.isDeleted) await this.#emptyDeleted(endpoint.id);
  }

  /** One round; called several times a second. Throws on a fault of the database. */
  async runOnce(): Promise<void> {
    const partitions = this.#owned();
    if (partitions.length === 0) return;
    const now = this.#context.clock.monotonic();
    await this.#loadTicketed();
    await this.#probe(partitions, now);
    const isSweep = now >= this.#sweepAt;
    if (isSweep || this.#hasCommands) await this.#applyCommands(partitions);
    if (isSweep) await this.#sweep(partitions, now);
    if (now >= this.#checkDeletedAt) await this.#checkDeleted(partitions, now);
  }

  async #sweep(partitions: number[], now: number): Promise<void> {
    const { store, databaseClock, endpoints, options } = this.#context;
    // Before the reading: who asks for a sweep meanwhile gets another one.
    this.#sweepAt = now + options.sweepIntervalMs;
    const query = {
      partitions,
      closedEndpoints: endpoints.closed(now),
      until: databaseClock.now() + options.sweepIntervalMs,
      limit: SWEEP_LIMIT,
    };
    await this.#read(
      async () => {
        const lanes = await store.findDueLanes(query);
        const unordered = await store.findDueUnordered(query);
        const endpointIds = [...lanes, ...unordered.map(({ delivery }) => delivery)].map(
          ({ endpointId }) => endpointId,
        );
        await endpoints.load(endpointIds);
        return { lanes, unordered };
      },
      ({ lanes, unordered }, partitionIfFresh) => {
        for (const lane of lanes) if (partitionIfFresh(lane.partition, lane.key)) this.#runner.adopt(lane);
        for (const due of unordered) {
          const { endpointId, event } = due.delivery;
          const partition = partitionIfFresh(due.partition, laneKey(endpointId, event.eventId));
          if (partition) this.#runner.adoptUnordered(partition, due);
        }
        const isFull = lanes.length === SWEEP_LIMIT || unordered.length === SWEEP_LIMIT;
        if (isFull) this.#sweepAt = now + options.sweepIntervalMs / 10;
      },
    );
  }

  async #loadTicketed(): Promise<void> {
    const ids = this.#ticketed.splice(0, SWEEP_LIMIT);
    if (ids.length === 0) return;
    const { store, endpoints } = this.#context;
    await this.#read(
      async () => {
        const lanes = await store.findLanes(ids);
        await endpoints.load(lanes.map((lane) => lane.endpointId));
        return lanes;
      },
      (lanes, partitionIfFresh) => {
        for (const lane of lanes)
          if (lane.mode === 'parked' && partitionIfFresh(lane.partition, lane.key)) this.#runner.adopt(lane);
      },
    );
  }

  /** An endpoint behind an open breaker gets one lane to try it with, the one that has waited longest. */
  async #probe(partitions: number[], now: number): Promise<void> {
    for (const endpoint of this.#context.endpoints.dueForProbe(now)) {
      if (now < endpoint.probeAt) continue;
      endpoint.probeAt = now + PROBE_AGAIN_MS;
      // When nothing waits, the next record will be the probe.
      await this.#read(
        () => this.#context.store.findProbeLane(partitions, endpoint.id),
        (lane, partitionIfFresh) => {
          if (lane && partitionIfFresh(lane.partition, lane.key)) this.#runner.adopt(lane, true);
        },
      );
    }
  }

  async #applyCommands(partitions: number[]): Promise<void> {
    this.#hasCommands = false;
    const commands = await this.#context.store.findOpenCommands(partitions, COMMAND_LIMIT);
    if (commands.length === 0) return;
    await this.#context.endpoints.load(commands.map((command) => command.endpointId));
    for (const command of commands) await this.#apply(command);
  }

  /** Applied and closed in one fenced transaction; void when its sequence is no longer the head. */
  async #apply(command: OpenCommand): Promise<void> {
    const lane = await this.#laneOf(command);
    const partition = lane && partitionOf(this.#context, lane);
    if (!lane || partition?.phase !== 'owned') return;
    // A request or a write is under way: its outcome decides what the head is.
    if (isBusy(lane)) return void (this.#hasCommands = true);
    const { journal, store, metrics } = this.#context;
    const head = (await store.loadPages([{ ...command, after: lane.delivered }], 1))[0]![0];
    if (partitionOf(this.#context, lane) !== partition) return;
    if (isBusy(lane)) return void (this.#hasCommands = true);
    const isApplied = isApplicable(command, lane, head);
    if (isApplied) this.#carryOut(command, partition, lane, head);
    journal.command({ partition: partition.number, id: command.id, result: isApplied ? 'applied' : 'void' });
    metrics.commands.inc({ kind: command.kind, result: isApplied ? 'applied' : 'void' });
    this.#context.logger.info({ ...command, result: isApplied ? 'applied' : 'void' }, 'operator command');
  }

  #carryOut(
    { kind, sequence, reason }: OpenCommand,
    partition: Partition,
    lane: Lane,
    next: Delivery | undefined,
  ): void {
    const { transitions } = this.#runner;
    const head = next?.sequence === sequence ? next : undefined;
    // Whatever it waited for is void.
    if (lane.place === 'waiting') lane.place = 'idle';
    switch (kind) {
      case 'retry':
        return transitions.beginRound(partition, lane, head);
      case 'skip':
        if (!head) return transitions.skipMissing(partition, lane);
        transitions.beginRound(partition, lane, head);
        return transitions.skipStored(partition, lane, head, `operator: ${reason}`);
      case 'event_lost':
        return void transitions.halt(partition, lane, 'event_lost');
    }
  }

  async #laneOf(id: { endpointId: string; streamId: string; partition: number }): Promise<Lane | undefined> {
    const lanes = this.#context.partitions.get(id.partition)?.lanes;
    const key = laneKey(id.endpointId, id.streamId);
    if (lanes && !lanes.has(key)) {
      await this.#read(
        () => this.#context.store.findLanes([id]),
        ([stored], partitionIfFresh) => {
          if (stored && !lanes.has(key) && partitionIfFresh(id.partition, key)?.lanes === lanes) lanes.set(key, stored);
        },
      );
    }
    return lanes?.get(key);
  }

  /** A deleted endpoint's halted lanes wait for nobody: their deliveries are skipped as those of parked lanes are. */
  async #emptyDeleted(endpointId: string): Promise<void> {
    const partitions = this.#owned();
    const lanes = await this.#context.store.findHaltedLanes(partitions, endpointId, SWEEP_LIMIT);
    for (const stored of lanes) {
      const lane = await this.#laneOf(stored);
      const partition = lane && partitionOf(this.#context, lane);
      if (!lane || !partition || lane.mode !== 'halted' || lane.inFlight) continue;
      this.#runner.transitions.beginRound(partition, lane, undefined);
    }
    if (lanes.length === SWEEP_LIMIT) this.#checkDeletedAt = 0;
  }

  async #checkDeleted(partitions: number[], now: number): Promise<void> {
    this.#checkDeletedAt = now + 60_000;
    const ids = await this.#context.store.findHaltedEndpoints(partitions);
    await this.#context.endpoints.load(ids);
    for (const id of ids) if (this.#context.endpoints.get(id).isDeleted) await this.#emptyDeleted(id);
  }

  /**
   * Reads from the database and takes what was found, in one go with the end of the reading. `partitionIfFresh` gives the
   * lane's partition, unless that was lost, or the lane left memory while this was being read: then memory knew better.
   */
  async #read<T>(
    find: () => Promise<T>,
    take: (found: T, partitionIfFresh: (partition: number, key: string) => Partition | undefined) => void,
  ): Promise<void> {
    const evicted = new Set<string>();
    const partitions = [...this.#context.partitions.values()];
    for (const partition of partitions) partition.evictionWatchers.add(evicted);
    try {
      take(await find(), (number, key) =>
        evicted.has(key) ? undefined : partitions.find((one) => one.number === number && one.phase === 'owned'),
      );
    } finally {
      for (const partition of partitions) partition.evictionWatchers.delete(evicted);
    }
  }

  #owned(): number[] {
    return [...this.#context.partitions.values()].filter(({ phase }) => phase === 'owned').map(({ number }) => number);
  }
}

/** `next`: the first delivery that waits in the database, the lane's head or, in a gap, one behind it. */
export function isApplicable(
  command: Pick<OpenCommand, 'kind' | 'sequence'>,
  lane: Pick<Lane, 'mode' | 'reason' | 'delivered'>,
  next: Pick<Delivery, 'sequence'> | undefined,
): boolean {
  if (lane.mode === 'open' || command.sequence !== lane.delivered + 1) return false;
  switch (command.kind) {
    case 'retry':
      return true;
    case 'skip':
      // The head of a lane in conflict is not the event that was refused. Without a record, only a gap can be skipped.
      return next !== undefined && lane.reason !== 'sequence_conflict';
    case 'event_lost':
      // Void when the record has come meanwhile.
      return lane.mode === 'parked' && next !== undefined && next.sequence !== command.sequence;
  }
}

const isBusy = (lane: Lane) =>
  lane.place === 'running' || lane.inFlight !== null || lane.unsaved > 0 || lane.parksPending > 0;

function parseJson(value: Buffer | null): unknown {
  try {
    return JSON.parse(value?.toString() ?? '');
  } catch {
    return undefined;
  }
}
