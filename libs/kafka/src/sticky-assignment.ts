// Who gets which partition: balanced, deterministic, and with as few moves as balance allows.

/** What a member held last, and in which generation of the group. */
export interface Claim {
  generation: number;
  partitions: readonly number[];
}

export interface GroupMember {
  id: string;
  /** Null: a newcomer, or a member whose claim we can't read. */
  claim: Claim | null;
}

/**
 * Partition numbers per member id, ascending. A number stands for that partition of *every* topic of the group, so
 * topics stay co-partitioned by construction.
 *
 * Counts differ by at most one. A member loses a partition only where balance demands it. Where two claim the same
 * partition (one of them was away for a while), the later generation wins, then the smaller id. The order in which
 * members are given does not matter.
 */
export function assignSticky(members: readonly GroupMember[], partitionCount: number): Map<string, number[]> {
  const kept = keptPartitions(members, partitionCount);
  const quotas = quotasFor(kept, partitionCount);
  const free = releaseSurplus(kept, quotas, partitionCount);
  for (const [id, partitions] of kept) {
    while (partitions.length < quotas.get(id)!) partitions.push(free.pop()!);
    partitions.sort((a, b) => a - b);
  }
  return kept;
}

/** The partitions that each member may go on holding, were there no balance to keep; members in the order of their ids. */
function keptPartitions(members: readonly GroupMember[], partitionCount: number): Map<string, number[]> {
  const sorted = members.toSorted((a, b) => compareText(a.id, b.id));
  const owners = new Map<number, { id: string; generation: number }>();
  for (const { id, claim } of sorted) {
    if (!claim) continue;
    for (const partition of claim.partitions) {
      if (!Number.isInteger(partition) || partition < 0 || partition >= partitionCount) continue;
      const rival = owners.get(partition);
      if (!rival || claim.generation > rival.generation) owners.set(partition, { id, generation: claim.generation });
    }
  }
  const kept = new Map<string, number[]>(sorted.map(({ id }) => [id, []]));
  for (const [partition, { id }] of owners) kept.get(id)!.push(partition);
  for (const partitions of kept.values()) partitions.sort((a, b) => a - b);
  return kept;
}

/** n/m each; the n mod m places above go to those who already hold most, because each of them saves one move. */
function quotasFor(kept: ReadonlyMap<string, readonly number[]>, partitionCount: number): Map<string, number> {
  const floor = Math.floor(partitionCount / kept.size);
  const extra = partitionCount % kept.size;
  const byHoldings = [...kept].toSorted(([idA, a], [idB, b]) => b.length - a.length || compareText(idA, idB));
  return new Map(byHoldings.map(([id], rank) => [id, rank < extra ? floor + 1 : floor]));
}

/** Cuts each member down to its quota; returns everything without an owner, highest first (so that pop() is lowest). */
function releaseSurplus(
  kept: ReadonlyMap<string, number[]>,
  quotas: ReadonlyMap<string, number>,
  partitionCount: number,
): number[] {
  const owned = new Set<number>();
  for (const [id, partitions] of kept) {
    partitions.length = Math.min(partitions.length, quotas.get(id)!);
    for (const partition of partitions) owned.add(partition);
  }
  const free: number[] = [];
  for (let partition = partitionCount - 1; partition >= 0; partition--) if (!owned.has(partition)) free.push(partition);
  return free;
}

// By code units: localeCompare may differ between the members' machines.
function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
