// Checks what the assigner puts on the wire: co-partitioned assignments, claims in the user data, faults on unequal topics.
import fc from 'fast-check';
import kafkajs, { type Cluster, type Logger } from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { decodeClaim, encodeClaim, stickyAssigner } from './assigner.ts';
import type { Claim } from './sticky-assignment.ts';

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol;
const TOPICS = ['events', 'retry'];

function assigner(claim: Claim | null, counts: Record<string, number>, expectedPartitions?: number) {
  const cluster = {
    findTopicPartitionMetadata: (topic: string) => Array.from({ length: counts[topic] ?? 0 }),
  } as unknown as Cluster;
  const options = { claim: () => claim, ...(expectedPartitions === undefined ? {} : { expectedPartitions }) };
  return stickyAssigner(options)({ cluster, groupId: 'group', logger: {} as Logger });
}

async function assignedTo(memberIds: readonly string[], counts: Record<string, number>, metadata?: Buffer) {
  const leader = assigner(null, counts);
  const members = memberIds.map((memberId) => ({
    memberId,
    memberMetadata: metadata ?? leader.protocol({ topics: TOPICS }).metadata,
  }));
  const assigned = await leader.assign({ members, topics: TOPICS });
  return assigned.map(({ memberAssignment }) => MemberAssignment.decode(memberAssignment)!.assignment);
}

describe('stickyAssigner', () => {
  it('gives partition i of every topic to the same member', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1 }),
        fc.integer({ min: 1, max: 40 }),
        async (ids, count) => {
          for (const assignment of await assignedTo(ids, { events: count, retry: count })) {
            expect(assignment['retry']).toEqual(assignment['events']);
          }
        },
      ),
    );
  });

  it('sends the present claim along with every join', () => {
    const claim = { generation: 3, partitions: [1, 4] };
    const { metadata } = assigner(claim, {}).protocol({ topics: TOPICS });
    expect(decodeClaim(MemberMetadata.decode(metadata)!.userData)).toEqual(claim);
  });

  it('refuses topics whose partition counts differ, naming topic, found and expected', async () => {
    await expect(assignedTo(['a'], { events: 12, retry: 6 })).rejects.toMatchObject({
      code: 'partition_count_mismatch',
      retryable: false,
      message: expect.stringMatching(/retry has 6 partitions, but 12 are expected/),
    });
    const leader = assigner(null, { events: 4, retry: 4 }, 12);
    await expect(leader.assign({ members: [], topics: TOPICS })).rejects.toThrow(/events has 4 partitions, but 12/);
  });

  it('waits for a topic that is not there yet', async () => {
    await expect(assignedTo(['a'], { events: 12 })).rejects.toMatchObject({ code: 'topic_missing', retryable: true });
  });

  it('assigns a member only the topics that it subscribes to', async () => {
    const metadata = MemberMetadata.encode({ version: 1, topics: ['events'], userData: Buffer.alloc(0) });
    expect(await assignedTo(['a'], { events: 2, retry: 2 }, metadata)).toEqual([{ events: [0, 1] }]);
  });
});

describe('decodeClaim', () => {
  it('reads what encodeClaim writes', () => {
    const anyClaim = fc.record({ generation: fc.nat(), partitions: fc.array(fc.nat()) });
    fc.assert(
      fc.property(anyClaim, (claim) => {
        expect(decodeClaim(encodeClaim(claim))).toEqual(claim);
      }),
    );
    expect(decodeClaim(encodeClaim(null))).toBeNull();
  });

  it('treats anything else as a member that holds nothing', () => {
    for (const text of [
      '',
      'x',
      'null',
      '[]',
      '{"version":2,"generation":1,"partitions":[0]}',
      '{"version":1,"generation":"1"}',
    ]) {
      expect(decodeClaim(Buffer.from(text))).toBeNull();
    }
    expect(decodeClaim(null)).toBeNull();
  });
});
