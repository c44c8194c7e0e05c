// Who owns a partition: leases with epochs, checked by every state transaction. Instants are PostgreSQL's.
import { prepared, type Queryable } from '#database';

/** The consumer group that shares the partitions: its committed offsets say what the delivery side has on record. */
export const deliveryGroupId = (topicPrefix: string): string => `${topicPrefix}.delivery`;

export interface Owned {
  partition: number;
  epoch: number;
}

/** A partition just taken: `isClean` when its last owner released it with everything recorded, or never had one. */
export interface Acquired extends Owned {
  isClean: boolean;
  /** The last take-over from an owner that had not released it, this one included; 0 and null when there was none. */
  uncleanEpoch: number;
  /** ms since 1970. */
  uncleanAt: number | null;
}

/** What a fence found: the partitions that are still ours, and the server's clock in ms since 1970. */
export interface FenceResult {
  owned: Set<number>;
  databaseNow: number;
}

/** Takes the free ones of `partitions` (rule R1): each gets a new epoch and a lease. Those of another holder are left out. */
export async function acquirePartitions(
  db: Queryable,
  holder: string,
  leaseMs: number,
  partitions: readonly number[],
): Promise<Acquired[]> {
  const { rows } = await db.query<Acquired>(
    `UPDATE waybill.partition_owner o
        SET holder = $1, epoch = o.epoch + 1, lease_until = clock_timestamp() + $2 * interval '1 ms',
            unclean_epoch = CASE WHEN free.is_clean THEN o.unclean_epoch ELSE o.epoch + 1 END,
            unclean_at = CASE WHEN free.is_clean THEN o.unclean_at ELSE clock_timestamp() END
       FROM (SELECT f.partition, f.holder IS NULL AS is_clean FROM waybill.partition_owner f
              WHERE f.partition = ANY ($3::int[]) AND (f.lease_until < clock_timestamp() OR f.holder = $1)
              ORDER BY f.partition FOR UPDATE) free
      WHERE o.partition = free.partition
      RETURNING o.partition, o.epoch, free.is_clean AS "isClean", o.unclean_epoch AS "uncleanEpoch",
                extract(epoch FROM o.unclean_at)::float8 * 1000 AS "uncleanAt"`,
    [holder, leaseMs, partitions],
  );
  return rows;
}

/**
 * Share-locks the owner rows until the transaction ends and says which are still ours. A successor's acquire waits for the
 * lock, so nothing that this transaction writes can follow the successor's first read.
 */
export async function lockOwned(db: Queryable, holder: string, owned: readonly Owned[]): Promise<FenceResult> {
  const { rows } = await prepared<{ partition: number | null; now: number }>(
    db,
    'delivery_lock_owned',
    `SELECT o.partition, extract(epoch FROM clock_timestamp())::float8 * 1000 AS now
       FROM unnest($2::int[], $3::bigint[]) AS f(partition, epoch)
       JOIN waybill.partition_owner o ON o.partition = f.partition AND o.epoch = f.epoch AND o.holder = $1
      ORDER BY o.partition FOR SHARE OF o`,
    [holder, owned.map((one) => one.partition), owned.map((one) => one.epoch)],
  );
  return toResult(rows);
}

/**
 * Renews the leases that are still ours (rule R2), even one that ran out if nobody took it meanwhile: holder and epoch are
 * the fence, the lease only says when others may take over.
 */
export async function renewOwned(
  db: Queryable,
  holder: string,
  leaseMs: number,
  owned: readonly Owned[],
): Promise<FenceResult> {
  const { rows } = await prepared<{ partition: number; now: number }>(
    db,
    'delivery_renew_owned',
    `UPDATE waybill.partition_owner o SET lease_until = clock_timestamp() + $2 * interval '1 ms'
       FROM unnest($3::int[], $4::bigint[]) AS f(partition, epoch)
      WHERE o.partition = f.partition AND o.epoch = f.epoch AND o.holder = $1
      RETURNING o.partition, extract(epoch FROM clock_timestamp())::float8 * 1000 AS now`,
    [holder, leaseMs, owned.map((one) => one.partition), owned.map((one) => one.epoch)],
  );
  return toResult(rows);
}

function toResult(rows: { partition: number | null; now: number }[]): FenceResult {
  return { owned: new Set(rows.map((row) => row.partition!)), databaseNow: rows[0]?.now ?? 0 };
}

/** Lets the next owner begin at once (rule R12). Only what is still ours is released. */
export async function releasePartitions(db: Queryable, holder: string, owned: readonly Owned[]): Promise<void> {
  await db.query(
    `UPDATE waybill.partition_owner o SET holder = NULL, lease_until = '-infinity'
       FROM unnest($2::int[], $3::bigint[]) AS f(partition, epoch)
      WHERE o.partition = f.partition AND o.epoch = f.epoch AND o.holder = $1`,
    [holder, owned.map((one) => one.partition), owned.map((one) => one.epoch)],
  );
}
