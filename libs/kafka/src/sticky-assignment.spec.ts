// Checks balance, completeness, stickiness and determinism of the partition assignment.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { assignSticky, type GroupMember } from './sticky-assignment.ts';

const names = (count: number) =>
  fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { minLength: count, maxLength: 12 });
const partitionCounts = fc.integer({ min: 1, max: 64 });
const claims = fc.option(
  fc.record({
    generation: fc.nat({ max: 5 }),
    partitions: fc.array(fc.integer({ min: -2, max: 70 }), { maxLength: 70 }),
  }),
);
const wildGroups = names(1).chain((ids) =>
  fc.tuple(...ids.map((id) => claims.map((claim): GroupMember => ({ id, claim })))),
);

function newcomers(ids: readonly string[]): GroupMember[] {
  return ids.map((id) => ({ id, claim: null }));
}

function asMembers(assignment: ReadonlyMap<string, number[]>, generation: number): GroupMember[] {
  return [...assignment].map(([id, partitions]) => ({ id, claim: { generation, partitions } }));
}

function ownerOf(assignment: ReadonlyMap<string, number[]>): Map<number, string> {
  return new Map([...assignment].flatMap(([id, partitions]) => partitions.map((p): [number, string] => [p, id])));
}

function movedPartitions(before: ReadonlyMap<string, number[]>, after: ReadonlyMap<string, number[]>): number[] {
  const newOwners = ownerOf(after);
  return [...ownerOf(before)]
    .filter(([partition, id]) => newOwners.get(partition) !== id)
    .map(([partition]) => partition);
}

describe('assignSticky', () => {
  it('gives every partition to exactly one member, and counts differ by at most one, whatever is claimed', () => {
    fc.assert(
      fc.property(wildGroups, partitionCounts, (members, count) => {
        const assignment = assignSticky(members, count);
        expect([...assignment.keys()].toSorted()).toEqual(members.map(({ id }) => id).toSorted());
        expect([...assignment.values()].flat().toSorted((a, b) => a - b)).toEqual(
          Array.from({ length: count }, (_, i) => i),
        );
        const sizes = [...assignment.values()].map((partitions) => partitions.length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('answers the same for any order of the members', () => {
    const shuffled = wildGroups.chain((members) =>
      fc.tuple(fc.constant(members), fc.shuffledSubarray(members, { minLength: members.length })),
    );
    fc.assert(
      fc.property(shuffled, partitionCounts, ([members, reordered], count) => {
        expect(Object.fromEntries(assignSticky(reordered, count))).toEqual(
          Object.fromEntries(assignSticky(members, count)),
        );
      }),
    );
  });

  it('moves nothing when nobody joins or leaves', () => {
    fc.assert(
      fc.property(names(1), partitionCounts, (ids, count) => {
        const before = assignSticky(newcomers(ids), count);
        expect(movedPartitions(before, assignSticky(asMembers(before, 1), count))).toEqual([]);
      }),
    );
  });

  it('moves at most ceil(n/m) partitions when a member joins, all of them to the newcomer', () => {
    fc.assert(
      fc.property(names(2), partitionCounts, ([newcomer, ...ids], count) => {
        const before = assignSticky(newcomers(ids), count);
        const after = assignSticky([...asMembers(before, 1), { id: newcomer!, claim: null }], count);
        const moved = movedPartitions(before, after);
        expect(moved.length).toBeLessThanOrEqual(Math.ceil(count / (ids.length + 1)));
        expect(after.get(newcomer!)).toEqual(expect.arrayContaining(moved));
      }),
    );
  });

  it("moves only the leaver's partitions when a member leaves", () => {
    fc.assert(
      fc.property(names(2), partitionCounts, (ids, count) => {
        const before = assignSticky(newcomers(ids), count);
        const [leaver, ...rest] = asMembers(before, 1);
        const after = assignSticky(rest, count);
        expect(movedPartitions(before, after).toSorted((a, b) => a - b)).toEqual(before.get(leaver!.id));
      }),
    );
  });

  it('believes the later generation when two members claim the same partitions', () => {
    const assignment = assignSticky(
      [
        { id: 'a-was-away', claim: { generation: 4, partitions: [0, 1, 2] } },
        { id: 'b-stayed', claim: { generation: 7, partitions: [0, 1] } },
      ],
      4,
    );
    expect(Object.fromEntries(assignment)).toEqual({ 'a-was-away': [2, 3], 'b-stayed': [0, 1] });
  });

  it('leaves members without a partition when there are more members than partitions', () => {
    const assignment = assignSticky(newcomers(['a', 'b', 'c']), 2);
    expect(Object.fromEntries(assignment)).toEqual({ a: [0], b: [1], c: [] });
  });
});
