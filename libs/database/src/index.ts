// PostgreSQL as the stores use it: pools, transactions, time partitions, what a migration is, and which faults pass.
export {
  createPool,
  prepared,
  together,
  withOpenedTransaction,
  withTransaction,
  type Pool,
  type PoolClient,
  type PoolOptions,
  type Queryable,
} from './pool.ts';
export { copyIn } from './copy-in.ts';
export { bool, instant, int4, int8, isoInstant, type RowSet, rowSet, text, uuid } from './row-set.ts';
export { isRetryable, sqlState } from './faults.ts';
export type { MigrationClass, MigrationInterface, QueryRunner } from './migration.ts';
export {
  dropTimePartitions,
  ensureTimePartitions,
  listTimePartitions,
  partitionsCovering,
  PARTITION_DAYS,
  type TimePartition,
} from './time-partitions.ts';
