// Deliveries: who owns a partition, where each lane stands, and what became of every event at every endpoint.
export {
  deliveriesMigrations,
  dropOldHistory,
  ensureDeliveryPartitions,
  fixTopicPartitions,
  getTopicPartitions,
} from './migrations.ts';
export {
  acquirePartitions,
  deliveryGroupId,
  releasePartitions,
  type Acquired,
  type FenceResult,
  type Owned,
} from './ownership.ts';
export type { AttemptRow, Batch, CommandResult, Finished, TerminalState, Waiting, WaitingState } from './batch.ts';
export { commitBatch, type CommitResult } from './journal.ts';
export {
  findDueLanes,
  findDueUnordered,
  findHaltedEndpoints,
  findHaltedLanes,
  findLanes,
  findOpenCommands,
  findProbeLane,
  findUnordered,
  loadPages,
  type DueDelivery,
  type LaneId,
  type OpenCommand,
  type PageRequest,
  type UnorderedId,
} from './loading.ts';
export { judgeClaims, type Judgement, type SequenceClaim } from './claims.ts';
export { findGaps, reportEventLost, type Gap, type GapPage } from './gaps.ts';
export { findLanesBehind, findUnknownTargets, findUnknownUnordered, type LaneTarget } from './unknown-targets.ts';
export * from './reading.ts';
