// The delivery database in memory: the same fence, the same unique keys and the same conflicts as the SQL of #deliveries.
import type { Clock } from '#clock';
import type { AttemptRow, Batch, DueDelivery, Finished, Judgement, OpenCommand, Owned, Waiting } from '#deliveries';
import { type Delivery, Lane, laneKey, type LaneState } from '#lane';
import type { DeliveryStore, DueQuery } from '../ports.ts';

interface Owner {
  holder: string | null;
  epoch: number;
  leaseUntil: number;
  uncleanEpoch: number;
  uncleanAt: number | null;
}

/** A row of waybill.delivery: values only, nothing that the process goes on changing. */
export interface WaitingRow extends Waiting {
  delivery: Delivery;
}

export interface HistoryRow extends Finished {
  delivery: Delivery;
}

export interface CommandRow extends OpenCommand {
  requestedAt: number;
  result: 'applied' | 'void' | null;
}

/** The tables, and what a transaction may do to them. `clock` is the server's. */
export class MemoryDatabase {
  readonly owners = new Map<number, Owner>();
  readonly lanes = new Map<string, LaneState>();
  readonly waiting = new Map<string, WaitingRow>();
  readonly history = new Map<string, HistoryRow>();
  readonly attempts = new Map<string, AttemptRow>();
  readonly commands: CommandRow[] = [];
  /** Whatever gave up by itself, ever: endpoint and event id. */
  readonly exhausted = new Set<string>();
  readonly #clock: Clock;
  #waitingSequences = new Map<string, string>();

  constructor(clock: Clock, partitions: number) {
    this.#clock = clock;
    for (let partition = 0; partition < partitions; partition++)
      this.owners.set(partition, { holder: null, epoch: 0, leaseUntil: -Infinity, uncleanEpoch: 0, uncleanAt: null });
  }

  now(): number {
    return this.#clock.now();
  }

  isHeld({ partition, epoch }: Owned, holder: string): boolean {
    const owner = this.owners.get(partition);
    return owner?.holder === holder && owner.epoch === epoch;
  }

  /** False when the event or the lane's sequence has a row: ON CONFLICT DO NOTHING. */
  insertWaiting(row: Waiting): boolean {
    const key = deliveryKey(row.delivery);
    const sequenceKey = waitingSequence(row.delivery);
    if (this.waiting.has(key) || (sequenceKey !== null && this.#waitingSequences.has(sequenceKey))) return false;
    this.waiting.set(key, { ...row, delivery: copyOf(row.delivery) });
    if (row.state === 'exhausted') this.exhausted.add(key);
    if (sequenceKey !== null) this.#waitingSequences.set(sequenceKey, key);
    return true;
  }

  updateWaiting(row: Waiting): void {
    const key = deliveryKey(row.delivery);
    const stored = this.waiting.get(key);
    if (!stored) return;
    const { event, endpointId, sequence } = stored.delivery;
    const delivery = { ...copyOf(row.delivery), event, endpointId, sequence };
    if (row.state === 'exhausted') this.exhausted.add(key);
    this.waiting.set(key, { ...stored, delivery, state: row.state, nextAttemptAt: row.nextAttemptAt });
  }

  insertFinished(row: Finished): void {
    const key = deliveryKey(row.delivery);
    if (row.state === 'exhausted' || row.reason === 'exhausted') this.exhausted.add(key);
    if (!this.history.has(key)) this.history.set(key, { ...row, delivery: copyOf(row.delivery) });
  }

  deleteWaiting(delivery: Delivery): void {
    const stored = this.waiting.get(deliveryKey(delivery));
    if (!stored) return;
    this.waiting.delete(deliveryKey(delivery));
    const sequenceKey = waitingSequence(stored.delivery);
    if (sequenceKey !== null) this.#waitingSequences.delete(sequenceKey);
  }

  /** An operator skipped the sequence, with its record or without one. */
  isSkipped(endpointId: string, streamId: string, sequence: number | null): boolean {
    return this.findSkip(endpointId, streamId, sequence) !== undefined;
  }

  findSkip(endpointId: string, streamId: string, sequence: number | null): CommandRow | undefined {
    return this.commands.find(
      (one) =>
        one.kind === 'skip' &&
        one.result === 'applied' &&
        one.sequence === sequence &&
        one.endpointId === endpointId &&
        one.streamId === streamId,
    );
  }

  insertAttempt(row: AttemptRow): void {
    const key = `${row.event.eventId} ${row.endpointId} ${row.epoch} ${row.number}`;
    if (!this.attempts.has(key)) this.attempts.set(key, { ...row });
  }

  saveLane(state: LaneState): void {
    if (state.mode === 'parked' && state.nextAttemptAt === null)
      throw new Error(`lane ${state.streamId} is parked without a due time: no sweeper would find it`);
    const key = laneKey(state.endpointId, state.streamId);
    const known = this.lanes.get(key);
    if (!known) this.lanes.set(key, { ...state });
    else {
      const { endpointId, streamId, tenantId, partition } = known;
      const delivered = Math.max(known.delivered, state.delivered);
      this.lanes.set(key, { ...state, endpointId, streamId, tenantId, partition, delivered });
    }
  }
}

/** One process's way to the tables. Each call is one transaction that happens at once. */
export function createMemoryStore(database: MemoryDatabase, holder: string, clock: Clock): DeliveryStore {
  const admittedAt = () => clock.monotonic();
  // Each caller is awaited as a real one would be.
  const store: {
    [Name in keyof DeliveryStore]: (
      ...args: Parameters<DeliveryStore[Name]>
    ) => Awaited<ReturnType<DeliveryStore[Name]>>;
  } = {
    databaseNow: () => database.now(),
    acquire(leaseMs, partitions) {
      const now = database.now();
      return partitions.flatMap((partition) => {
        const owner = database.owners.get(partition);
        if (!owner || (owner.leaseUntil >= now && owner.holder !== holder)) return [];
        const isClean = owner.holder === null;
        Object.assign(owner, { holder, epoch: owner.epoch + 1, leaseUntil: now + leaseMs });
        if (!isClean) Object.assign(owner, { uncleanEpoch: owner.epoch, uncleanAt: now });
        const { epoch, uncleanEpoch, uncleanAt } = owner;
        return [{ partition, epoch, isClean, uncleanEpoch, uncleanAt }];
      });
    },
    commit(owned, renewMs, batch, onClock) {
      const held = new Set(owned.filter((one) => database.isHeld(one, holder)).map(({ partition }) => partition));
      const databaseNow = held.size > 0 ? database.now() : 0;
      if (renewMs !== null)
        for (const partition of held) database.owners.get(partition)!.leaseUntil = databaseNow + renewMs;
      if (held.size > 0) onClock(databaseNow);
      return { owned: held, databaseNow, refused: write(database, batch, held) };
    },
    release(owned) {
      for (const one of owned)
        if (database.isHeld(one, holder))
          Object.assign(database.owners.get(one.partition)!, { holder: null, leaseUntil: -Infinity });
    },
    findLanes: (ids) =>
      ids.flatMap(({ endpointId, streamId }) => {
        const state = database.lanes.get(laneKey(endpointId, streamId));
        return state ? [toLane(state)] : [];
      }),
    findDueLanes: (query) =>
      dueFirst([...database.lanes.values()].filter((state) => state.mode === 'parked' && isDue(state, query)))
        .slice(0, query.limit)
        .map(toLane),
    findProbeLane(partitions, endpointId) {
      const lanes = [...database.lanes.values()].filter(
        (state) => state.mode === 'parked' && state.endpointId === endpointId && partitions.includes(state.partition),
      );
      const [first] = dueFirst(lanes);
      return first && toLane(first);
    },
    findHaltedLanes: (partitions, endpointId, limit) =>
      halted(database, partitions)
        .filter((state) => state.endpointId === endpointId)
        .slice(0, limit)
        .map(toLane),
    findHaltedEndpoints: (partitions) => [...new Set(halted(database, partitions).map(({ endpointId }) => endpointId))],
    loadPages: (requests, limit) =>
      requests.map(({ endpointId, streamId, after }) =>
        [...database.waiting.values()]
          .map(({ delivery }) => delivery)
          .filter(
            (one) => one.endpointId === endpointId && one.event.streamId === streamId && (one.sequence ?? 0) > after,
          )
          .toSorted((a, b) => a.sequence! - b.sequence!)
          .slice(0, limit)
          .map((delivery) => toDelivery(delivery, admittedAt())),
      ),
    findDueUnordered: (query) =>
      dueFirst(
        [...database.waiting.values()]
          .filter(({ delivery }) => delivery.sequence === null)
          .filter((row) => isDue({ ...row, endpointId: row.delivery.endpointId }, query)),
      )
        .slice(0, query.limit)
        .map((row) => toDue(database, row, admittedAt())),
    findUnordered(ids) {
      const keys = ids.map(({ endpointId, eventId }) => laneKey(endpointId, eventId));
      return {
        waiting: keys.flatMap((key) => {
          const row = database.waiting.get(key);
          return row ? [toDue(database, row, admittedAt())] : [];
        }),
        terminal: new Set(keys.filter((key) => database.history.has(key))),
      };
    },
    judgeClaims: (claims) =>
      claims.flatMap((claim): Judgement[] => {
        const { endpointId, streamId, sequence, eventId } = claim;
        const ofSequence = [...database.waiting.values(), ...database.history.values()].filter(
          ({ delivery }) =>
            delivery.endpointId === endpointId &&
            delivery.event.streamId === streamId &&
            delivery.sequence === sequence,
        );
        if (ofSequence.some(({ delivery }) => delivery.event.eventId === eventId)) return [];
        if (ofSequence.length > 0) return [{ claim, verdict: 'conflict' }];
        const skip = database.findSkip(endpointId, streamId, sequence);
        return skip ? [{ claim, verdict: 'skipped', reason: skip.reason }] : [];
      }),
    findOpenCommands: (partitions, limit) =>
      database.commands
        .filter((command) => command.result === null && partitions.includes(command.partition))
        .toSorted((a, b) => a.requestedAt - b.requestedAt)
        .slice(0, limit)
        .map(({ requestedAt: _requestedAt, result: _result, ...command }) => command),
  };
  return Object.fromEntries(
    Object.entries(store).map(([name, call]) => [
      name,
      async (...args: unknown[]) => (call as (...args: unknown[]) => unknown)(...args),
    ]),
  ) as unknown as DeliveryStore;
}

/** The statements of the state transaction, in their order. Returns the inserts that found their place taken. */
function write(database: MemoryDatabase, batch: Batch, held: ReadonlySet<number>): Waiting[] {
  const ours = <T extends { partition: number }>(rows: readonly T[]) => rows.filter((row) => held.has(row.partition));
  const lanes = ours(batch.lanes);
  // PostgreSQL refuses the whole statement: "ON CONFLICT DO UPDATE command cannot affect row a second time".
  if (new Set(lanes.map((lane) => laneKey(lane.endpointId, lane.streamId))).size < lanes.length)
    throw new Error('the batch holds a lane twice');
  const inserts = ours(batch.inserted);
  const made = new Set(inserts.filter((row) => database.insertWaiting(row)).map((row) => deliveryKey(row.delivery)));
  for (const row of ours(batch.updated)) database.updateWaiting(row);
  for (const row of ours(batch.finished)) {
    database.insertFinished(row);
    if (row.delivery.stored) database.deleteWaiting(row.delivery);
  }
  for (const row of ours(batch.attempts)) database.insertAttempt(row);
  for (const lane of lanes) database.saveLane(lane);
  for (const { id, result } of ours(batch.commands)) {
    const command = database.commands.find((one) => one.id === id);
    if (command) command.result ??= result;
  }
  return made.size === inserts.length ? [] : inserts.filter((row) => !made.has(deliveryKey(row.delivery)));
}

function deliveryKey({ endpointId, event }: Delivery): string {
  return laneKey(endpointId, event.eventId);
}

function waitingSequence({ endpointId, event, sequence }: Delivery): string | null {
  return sequence === null ? null : `${laneKey(endpointId, event.streamId)} ${sequence}`;
}

function copyOf(delivery: Delivery): Delivery {
  return { ...delivery, last: delivery.last && { ...delivery.last }, positions: [] };
}

/** As it is read back: a new object, and no record waits for it. */
function toDelivery(delivery: Delivery, admittedAt: number): Delivery {
  const { event, endpointId, sequence } = delivery;
  const last = delivery.last && { ...delivery.last, isUnknown: false };
  return {
    ...copyOf(delivery),
    event: { ...event, targets: [{ endpointId, sequence }] },
    last,
    stored: true,
    admittedAt,
  };
}

function toDue(database: MemoryDatabase, row: WaitingRow, admittedAt: number): DueDelivery {
  const { endpointId, event } = row.delivery;
  return {
    delivery: toDelivery(row.delivery, admittedAt),
    partition: row.partition,
    nextAttemptAt: row.nextAttemptAt ?? 0,
    countedAttempts: [...database.attempts.values()].filter(
      (one) => one.counted && one.endpointId === endpointId && one.event.eventId === event.eventId,
    ).length,
  };
}

function toLane(state: LaneState): Lane {
  const { endpointId, streamId, tenantId, partition, ...rest } = state;
  return Object.assign(new Lane({ endpointId, streamId, tenantId, partition }), rest);
}

function isDue(
  row: { partition: number; nextAttemptAt: number | null; endpointId: string },
  { partitions, closedEndpoints, until }: DueQuery,
): boolean {
  return (
    row.nextAttemptAt !== null &&
    row.nextAttemptAt <= until &&
    partitions.includes(row.partition) &&
    !closedEndpoints.includes(row.endpointId)
  );
}

function dueFirst<T extends { nextAttemptAt: number | null }>(rows: T[]): T[] {
  return rows.toSorted((a, b) => (a.nextAttemptAt ?? Infinity) - (b.nextAttemptAt ?? Infinity));
}

function halted(database: MemoryDatabase, partitions: readonly number[]): LaneState[] {
  return [...database.lanes.values()].filter(
    ({ mode, partition }) => mode === 'halted' && partitions.includes(partition),
  );
}
