// The log in memory: partitions, committed offsets, and a consumer group whose members fall back to them at each rebalance.
import type { CommitOffset, ConsumedRecord, ProducedRecord, RecordBatch } from '#kafka';

export const TOPIC_PREFIX = 'waybill';
export const EVENTS = `${TOPIC_PREFIX}.events`;
export const RETRY = `${TOPIC_PREFIX}.retry`;
export const DEAD_LETTER = `${TOPIC_PREFIX}.dead-letter`;

type NewRecord = Pick<ConsumedRecord, 'key' | 'value' | 'headers'> | Pick<ProducedRecord, 'key' | 'value' | 'headers'>;

export class MemoryLog {
  readonly #records = new Map<string, ConsumedRecord[]>();
  readonly #committed = new Map<string, number>();
  /** How many records were ever appended: whoever has read them all has nothing to do before it grows. */
  size = 0;

  append(topic: string, partition: number, { key, value, headers }: NewRecord): number {
    const records = this.records(topic, partition);
    const offset = records.length;
    this.size++;
    records.push({ offset, key: key === null ? null : Buffer.from(key), value, headers, timestampMs: 0 });
    return offset;
  }

  records(topic: string, partition: number): ConsumedRecord[] {
    const key = `${topic} ${partition}`;
    let records = this.#records.get(key);
    if (!records) this.#records.set(key, (records = []));
    return records;
  }

  read(topic: string, partition: number, offset: number, limit: number): RecordBatch {
    const records = this.records(topic, partition);
    return { topic, partition, records: records.slice(offset, offset + limit), highWatermark: records.length };
  }

  committed(topic: string, partition: number): number {
    return this.#committed.get(`${topic} ${partition}`) ?? 0;
  }

  /** Kafka stores what it is told, also a lower offset. */
  commit({ topic, partition, offset }: CommitOffset): void {
    this.#committed.set(`${topic} ${partition}`, offset);
  }
}

/** What a member hears from its group. */
export interface Listener {
  receive(batch: RecordBatch): void;
  assign(partitions: readonly number[]): void;
}

/** One consumer of the group: its positions, what it has paused, and the generation that it knows. */
export class Member {
  readonly #log: MemoryLog;
  readonly #listener: Listener;
  #positions = new Map<string, number>();
  readonly #paused = new Set<number>();
  #partitions: readonly number[] = [];
  #readUntil = -1;
  generation = -1;

  constructor(log: MemoryLog, listener: Listener) {
    this.#log = log;
    this.#listener = listener;
  }

  get partitions(): readonly number[] {
    return this.#partitions;
  }

  /** Positions fall back to what is committed, for kept partitions too, and nothing is paused any more. */
  join(generation: number, partitions: readonly number[]): void {
    this.generation = generation;
    this.#partitions = partitions;
    this.#readUntil = -1;
    this.#paused.clear();
    this.#positions = new Map(
      [EVENTS, RETRY].flatMap((topic) =>
        partitions.map((partition) => [`${topic} ${partition}`, this.#log.committed(topic, partition)] as const),
      ),
    );
    this.#listener.assign(partitions);
  }

  pause(partition: number): void {
    this.#paused.add(partition);
  }

  resume(partition: number): void {
    this.#readUntil = -1;
    this.#paused.delete(partition);
  }

  /** Fetches once. The position moves on when the listener has returned. */
  poll(limit: number): void {
    if (this.#readUntil === this.#log.size) return;
    this.#readUntil = this.#log.size;
    for (const topic of [EVENTS, RETRY]) {
      for (const partition of this.#partitions) {
        if (topic === EVENTS && this.#paused.has(partition)) continue;
        const key = `${topic} ${partition}`;
        const batch = this.#log.read(topic, partition, this.#positions.get(key) ?? 0, limit);
        const last = batch.records.at(-1);
        if (!last) continue;
        this.#listener.receive(batch);
        this.#positions.set(key, last.offset + 1);
        // There may be more than the limit.
        this.#readUntil = -1;
      }
    }
  }
}

/** Who is given which partitions. A member that does not answer finds out when it does. */
export class Group {
  #generation = 0;
  #assigned = new Map<Member, readonly number[]>();

  get generation(): number {
    return this.#generation;
  }

  assign(assigned: Map<Member, readonly number[]>): void {
    this.#generation++;
    this.#assigned = assigned;
  }

  of(member: Member): readonly number[] {
    return this.#assigned.get(member) ?? [];
  }

  /** The coordinator checks membership and generation, not who owns a partition: a member checks that by itself. */
  accepts(member: Member): boolean {
    return this.#assigned.has(member) && member.generation === this.#generation;
  }
}
