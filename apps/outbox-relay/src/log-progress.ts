// How far the delivery consumers have read the log: what was published before a noted moment must be on record once they have passed it.
import type { LogAdmin, OffsetRange } from '#kafka';

/** `committed`: the group's next offset, null when it has none. */
export interface LogPosition extends OffsetRange {
  committed: number | null;
}

export type LogProgress = ReadonlyMap<number, LogPosition>;

/** Reads the progress of one group on one topic; throws a fault of Kafka, also while the topic is missing. */
export function logProgressOf(admin: LogAdmin, groupId: string, topic: string): () => Promise<LogProgress> {
  return async () => {
    // The ends last: a commit that is newer than its end would look like one of an earlier log.
    const committed = await admin.committedOffsets(groupId, topic);
    const ranges = await admin.offsetRanges(topic);
    return new Map(
      [...ranges].map(([partition, range]) => [partition, { ...range, committed: committed.get(partition) ?? null }]),
    );
  };
}

/**
 * True when the group has nothing left to read of what was on the log at `noted`: it has committed past the ends of then,
 * what was left has expired, or the log is shorter than it was: it was made anew, and what it held is gone. Offsets are
 * committed when their deliveries are on record, so whatever is unknown from then on is lost.
 */
export function hasPassed(noted: LogProgress, now: LogProgress): boolean {
  return [...noted].every(([partition, { high: end }]) => {
    const position = now.get(partition);
    return !position || position.high < end || nextToRead(position) >= end;
  });
}

/** A group without a commit, or with one of an earlier log, begins at the start of what is there. */
function nextToRead({ low, high, committed }: LogPosition): number {
  return committed !== null && committed <= high ? Math.max(committed, low) : low;
}
