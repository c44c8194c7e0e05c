// The outbox: events committed with their service's own rows, and read back in order by the relay.
export { outboxMigrations, seedEventTypes } from './migrations.ts';
export { publishEvent, type CatalogueEvent, type CustomEvent, type PublishRunner } from './publish-event.ts';
export { claimShards, countShards, releaseShards, reportAlive, reportGone, type HeldShard } from './shards.ts';
export {
  advance,
  closeRepublishRequests,
  findOldestPending,
  readPage,
  readRepublishRequests,
  storeProgress,
  type OutboxRow,
  type Page,
  type ShardProgress,
} from './window.ts';
export { dropPublishedPartitions, ensureOutboxPartitions } from './partitions.ts';
