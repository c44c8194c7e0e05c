// Where reading stands in each partition, and how much is left to read.
import type { TopicPartition } from './port.ts';

interface Position {
  nextOffset: number;
  highWatermark: number;
}

export class Positions {
  readonly #topics: ReadonlyMap<string, Map<number, Position>>;

  constructor(topics: readonly string[]) {
    this.#topics = new Map(topics.map((topic) => [topic, new Map()]));
  }

  moved({ topic, partition }: TopicPartition, nextOffset: number, highWatermark: number): void {
    this.#topics.get(topic)?.set(partition, { nextOffset, highWatermark });
  }

  /** Forgets partitions that went to another member. */
  keepOnly(partitions: ReadonlySet<number>): void {
    for (const positions of this.#topics.values()) {
      for (const partition of positions.keys()) if (!partitions.has(partition)) positions.delete(partition);
    }
  }

  /** Records per topic; 0 for partitions of which nothing was read yet. */
  lag(): Map<string, number> {
    return new Map([...this.#topics].map(([topic, positions]) => [topic, sumOfLags(positions.values())]));
  }
}

function sumOfLags(positions: Iterable<Position>): number {
  let sum = 0;
  for (const { nextOffset, highWatermark } of positions) sum += Math.max(0, highWatermark - nextOffset);
  return sum;
}
