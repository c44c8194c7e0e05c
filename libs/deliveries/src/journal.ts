// The one state transaction of a consumer: fence, then everything that happened since the last one.
import { type Pool, type PoolClient, sqlState, together, withOpenedTransaction } from '#database';
import type { Batch, Waiting } from './batch.ts';
import {
  closeCommands,
  copyRecords,
  deleteWaiting,
  insertRecords,
  insertWaiting,
  saveLanes,
  updateWaiting,
} from './journal-statements.ts';
import { type FenceResult, lockOwned, type Owned, renewOwned } from './ownership.ts';

const UNIQUE_VIOLATION = '23505';

export interface Fence {
  holder: string;
  owned: readonly Owned[];
  /** The length of the leases when they are to be renewed too. */
  renewMs: number | null;
  /** Told the server's clock (ms since 1970) as soon as it is known, unless every partition is lost. */
  onClock?: (databaseNow: number) => void;
}

export interface CommitResult extends FenceResult {
  /** Inserted rows that found their event id or their lane's sequence taken: a record read twice, or a conflict. */
  refused: Waiting[];
}

/**
 * Writes the batch in one transaction, less the partitions that are no longer ours. Safe to repeat after an unknown
 * outcome: what is on record stays as it is, everything else is absolute.
 */
export async function commitBatch(pool: Pool, fence: Fence, batch: Batch): Promise<CommitResult> {
  try {
    return await commitWith(copyRecords, pool, fence, batch);
  } catch (error) {
    if (sqlState(error) !== UNIQUE_VIOLATION) throw error;
    // Some of it is on record already: an answer was lost, or a record was read twice. COPY can't pass over it.
    return commitWith(insertRecords, pool, fence, batch);
  }
}

/** Three round trips, because under load each waits for its turn of a busy event loop: BEGIN and fence, all rows, COMMIT. */
function commitWith(
  writeRecords: typeof insertRecords,
  pool: Pool,
  { holder, owned, renewMs, onClock }: Fence,
  batch: Batch,
): Promise<CommitResult> {
  const lock = async (client: PoolClient) => {
    const held = await (renewMs === null
      ? lockOwned(client, holder, owned)
      : renewOwned(client, holder, renewMs, owned));
    if (held.owned.size > 0) onClock?.(held.databaseNow);
    return held;
  };
  return withOpenedTransaction(pool, lock, async (client, held) => {
    const ours = <T extends { partition: number }>(rows: T[]) => rows.filter((row) => held.owned.has(row.partition));
    const finished = ours(batch.finished);
    // They run in the order of these calls: a row may be inserted and finished in one batch.
    const [refused] = await together([
      insertWaiting(client, ours(batch.inserted)),
      updateWaiting(client, ours(batch.updated)),
      writeRecords(client, finished, ours(batch.attempts)),
      deleteWaiting(
        client,
        finished.filter((row) => row.delivery.stored),
      ),
      saveLanes(client, ours(batch.lanes)),
      closeCommands(client, ours(batch.commands)),
    ]);
    return { ...held, refused };
  });
}
