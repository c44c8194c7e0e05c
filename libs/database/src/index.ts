// PostgreSQL as the stores use it: pools, transactions, migrations, time partitions, and which faults pass.
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
export {
  type DataSource,
  type EntityManager,
  openDataSource,
  runMigrations,
  type MigrationClass,
  type MigrationInterface,
  type QueryRunner,
} from './migrations.ts';
export {
  dropTimePartitions,
  ensureTimePartitions,
  listTimePartitions,
  partitionsCovering,
  PARTITION_DAYS,
  type TimePartition,
} from './time-partitions.ts';
