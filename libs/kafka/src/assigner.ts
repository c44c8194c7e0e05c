// Carries the sticky assignment through Kafka's group protocol, as a partition assigner of kafkajs.
import type { Cluster, MemberMetadata as GroupMemberMetadata, PartitionAssigner } from 'kafkajs';
import { KafkaFault } from './fault.ts';
import { AssignerProtocol } from './kafkajs.ts';
import { assignSticky, type Claim, type GroupMember } from './sticky-assignment.ts';

const { MemberAssignment, MemberMetadata } = AssignerProtocol;

/** All members of a group must offer a protocol of the same name; a different meaning of the bytes needs another name. */
export const STICKY_PROTOCOL = 'waybill-sticky-copartition';
const PROTOCOL_VERSION = 1;

export interface StickyAssignerOptions {
  /** What this member holds at the time of the call; sent along with every join. */
  claim: () => Claim | null;
  /** The partition count that every topic must have; without it they only need to agree. */
  expectedPartitions?: number;
}

export function stickyAssigner(options: StickyAssignerOptions): PartitionAssigner {
  return ({ cluster }) => ({
    name: STICKY_PROTOCOL,
    version: PROTOCOL_VERSION,
    protocol: ({ topics }) => ({
      name: STICKY_PROTOCOL,
      metadata: MemberMetadata.encode({ version: PROTOCOL_VERSION, topics, userData: encodeClaim(options.claim()) }),
    }),
    // Runs in the member that the coordinator chose as leader, for all of them.
    assign: async ({ members, topics }) => {
      const partitionCount = commonPartitionCount(cluster, topics, options.expectedPartitions);
      const read = members.map((member) => ({ id: member.memberId, ...readMetadata(member.memberMetadata) }));
      const partitionsOf = assignSticky(read, partitionCount);
      return read.map(({ id, topics: subscribed }) => ({
        memberId: id,
        memberAssignment: MemberAssignment.encode({
          version: PROTOCOL_VERSION,
          assignment: Object.fromEntries(
            topics.filter((topic) => subscribed.includes(topic)).map((topic) => [topic, partitionsOf.get(id)!]),
          ),
          userData: Buffer.alloc(0),
        }),
      }));
    },
  });
}

function commonPartitionCount(cluster: Cluster, topics: readonly string[], expected: number | undefined): number {
  const counts = topics.map((topic) => ({ topic, found: cluster.findTopicPartitionMetadata(topic).length }));
  const wanted = expected ?? counts[0]?.found ?? 0;
  for (const { topic, found } of counts) {
    if (found === 0) throw new KafkaFault('topic_missing', `topic ${topic} has no partitions yet`);
    if (found !== wanted) throw partitionCountMismatch(topic, found, wanted);
  }
  return wanted;
}

/** Names what an operator needs: topic, found, expected. */
export function partitionCountMismatch(topic: string, found: number, expected: number): KafkaFault {
  const why = 'streams would move between owners';
  return new KafkaFault(
    'partition_count_mismatch',
    `topic ${topic} has ${found} partitions, but ${expected} are expected: ${why}`,
  );
}

function readMetadata(metadata: Buffer): { topics: string[] } & Pick<GroupMember, 'claim'> {
  const { topics, userData } = MemberMetadata.decode(metadata) as GroupMemberMetadata;
  return { topics, claim: decodeClaim(userData) };
}

/** JSON, so that `kafka-consumer-groups` and a debugger show it as it is. */
export function encodeClaim(claim: Claim | null): Buffer {
  return claim ? Buffer.from(JSON.stringify({ version: PROTOCOL_VERSION, ...claim })) : Buffer.alloc(0);
}

/** Null for a newcomer, and for a claim of another version or shape: such a member just keeps nothing. */
export function decodeClaim(userData: Buffer | null): Claim | null {
  if (!userData || userData.length === 0) return null;
  try {
    const { version, generation, partitions } = JSON.parse(userData.toString()) as Record<string, unknown>;
    if (version !== PROTOCOL_VERSION || !Number.isInteger(generation) || !Array.isArray(partitions)) return null;
    return { generation: generation as number, partitions: partitions.filter((p): p is number => Number.isInteger(p)) };
  } catch {
    return null;
  }
}
