// The outbox: events committed with their service's own rows, and read back in order by the relay.
export { outboxMigrations, seedEventTypes } from './migrations.ts';
export { publishEvent, type CatalogueEvent, type CustomEvent, type PublishRunner } from './publish-event.ts';
export { claimShards, countShards, releaseShards, reportAlive, reportGone, type HeldShard } from './shards.ts';
export { type OutboxRow } from './rows.ts';
export { advance, findOldestPending, readPage, storeProgress, type Page, type ShardProgress } from './window.ts';
export {
  closeRepublishRequests,
  forgetRepublishRequests,
  readRepublishRequests,
  requestRepublication,
  type RepublishRequest,
} from './republish.ts';
export {
  findReconciliationWindows,
  readPageTargets,
  readStreamTargets,
  storeReconciliation,
  type EventTarget,
  type PageTargets,
  type ReconciliationWindow,
} from './reconciliation.ts';
export {
  findEventIds,
  findHeldShards,
  findIdRange,
  findStreamEvents,
  shardsOf,
  type FoundEvent,
} from './find-missing.ts';
export { dropPublishedPartitions, ensureOutboxPartitions } from './partitions.ts';
