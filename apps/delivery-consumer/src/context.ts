// What the stages of the dispatcher share: its settings, its ports, and the state that each of them may touch.
import type { Clock, Random } from '#clock';
import type { Lane } from '#lane';
import type { LineLogger, Logger } from '#telemetry';
import type { DatabaseClock } from './database-clock.ts';
import type { EndpointRegistry } from './endpoint-registry.ts';
import type { Journal } from './journal.ts';
import type { ConsumerMetrics } from './metrics.ts';
import type { OrderWitness } from './order-witness.ts';
import type { Outgoing } from './outgoing.ts';
import type { Partition } from './partition.ts';
import type { DeliveryStore, Log, Sender } from './ports.ts';
import type { Scheduler } from './scheduler.ts';

export interface DispatcherOptions {
  topicPrefix: string;
  leaseMs: number;
  flushIntervalMs: number;
  /** Requests in flight, of this process and of one tenant. */
  maxInFlight: number;
  maxInFlightPerTenant: number;
  circuitBreaker: boolean;
  /** Records in memory that are not done; beyond it, reading pauses. Shared evenly by the partitions. */
  maxBufferedRecords: number;
  /** The same for the bytes of their payloads. */
  maxBufferedBytes: number;
  /** The same for records above the lowest that is not done, which hold some 100 bytes each: they are read again after a crash. */
  maxUncommittedRecords: number;
  /** Deliveries that wait in memory behind a lane's head. */
  maxQueuedPerLane: number;
  /** A delivery that waited this long for a slot, or behind a slow head, goes to PostgreSQL. */
  maxWaitMs: number;
  /** The same while the process itself is short of time: more writes would make that worse. */
  maxWaitWhenBusyMs: number;
  /** No new request while a finished delivery has been unrecorded for this long: a stalled database bounds the duplicates. */
  maxUnrecordedMs: number;
  /** Lanes kept in memory; idle ones beyond it are forgotten (they are in the database). */
  maxLanes: number;
  sweepIntervalMs: number;
  /** Waiting deliveries read at once when a lane is drained. */
  pageSize: number;
}

export const defaultDispatcherOptions = {
  circuitBreaker: true,
  maxBufferedRecords: 3_000,
  maxBufferedBytes: 16 * 1_048_576,
  maxUncommittedRecords: 100_000,
  maxQueuedPerLane: 100,
  maxWaitMs: 1_000,
  maxWaitWhenBusyMs: 5_000,
  maxUnrecordedMs: 1_000,
  maxLanes: 8_000,
  sweepIntervalMs: 5_000,
  pageSize: 20,
} as const;

export interface Context {
  options: DispatcherOptions;
  store: DeliveryStore;
  log: Log;
  sender: Sender;
  clock: Clock;
  databaseClock: DatabaseClock;
  random: Random;
  /** True while this process itself is short of processor time. */
  isBusy: () => boolean;
  logger: Logger;
  /** For the one line of each attempt. */
  attemptLogger: LineLogger;
  metrics: ConsumerMetrics;
  partitions: Map<number, Partition>;
  endpoints: EndpointRegistry;
  scheduler: Scheduler;
  journal: Journal;
  witness: OrderWitness;
  outgoing: Outgoing;
}

/** The lane's partition, unless the lane belongs to one that is gone: the same number may be here again, with lanes of its own. */
export function partitionOf(context: Context, lane: Lane): Partition | undefined {
  const partition = context.partitions.get(lane.partition);
  return partition?.lanes.get(lane.key) === lane ? partition : undefined;
}

/** Rules R3 and R5: the lease holds right now, and what was finished before has been recorded lately. */
export function maySend(context: Context, partition: Partition): boolean {
  const now = context.clock.monotonic();
  return partition.holdsLease(now) && context.journal.oldestFinishAgeMs(now) < context.options.maxUnrecordedMs;
}
