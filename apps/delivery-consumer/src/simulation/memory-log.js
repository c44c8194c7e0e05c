export const TOPIC_PREFIX = 'waybill';
export const EVENTS = `${TOPIC_PREFIX}.events`;
export const RETRY = `${TOPIC_PREFIX}.retry`;
export const DEAD_LETTER = `${TOPIC_PREFIX}.dead-letter`;
export class MemoryLog {
  #records = new Map();
  #committed = new Map();
  append(topic, partition, { key, value, headers }) {
    const records = this.records(topic, partition);
    const offset = records.length;
    records.push({ offset, key: key === null ? null : Buffer.from(key), value, headers, timestampMs: 0 });
    return offset;
  }
  records(topic, partition) {
    const key = `${topic} ${partition}`;
    let records = this.#records.get(key);
    if (!records) this.#records.set(key, (records = []));
    return records;
  }
  read(topic, partition, offset, limit) {
    const records = this.records(topic, partition);
    return { topic, partition, records: records.slice(offset, offset + limit), highWatermark: records.length };
  }
  committed(topic, partition) {
    return this.#committed.get(`${topic} ${partition}`) ?? 0;
  }
  /** Kafka stores what it is told, also a lower offset. */
  commit({ topic, partition, offset }) {
    this.#committed.set(`${topic} ${partition}`, offset);
  }
}
/** One consumer of the group: its positions, what it has paused, and the generation that it knows. */
export class Member {
  #log;
  #listener;
  #positions = new Map();
  #paused = new Set();
  #partitions = [];
  generation = -1;
  constructor(log, listener) {
    this.#log = log;
    this.#listener = listener;
  }
  get partitions() {
    return this.#partitions;
  }
  /** Positions fall back to what is committed, for kept partitions too, and nothing is paused any more. */
  join(generation, partitions) {
    this.generation = generation;
    this.#partitions = partitions;
    this.#paused.clear();
    this.#positions = new Map(
      [EVENTS, RETRY].flatMap((topic) =>
        partitions.map((partition) => [`${topic} ${partition}`, this.#log.committed(topic, partition)]),
      ),
    );
    this.#listener.assign(partitions);
  }
  pause(partition) {
    this.#paused.add(partition);
  }
  resume(partition) {
    this.#paused.delete(partition);
  }
  /** Fetches once. The position moves on when the listener has returned. */
  poll(limit) {
    for (const topic of [EVENTS, RETRY]) {
      for (const partition of this.#partitions) {
        if (topic === EVENTS && this.#paused.has(partition)) continue;
        const key = `${topic} ${partition}`;
        const batch = this.#log.read(topic, partition, this.#positions.get(key) ?? 0, limit);
        const last = batch.records.at(-1);
        if (!last) continue;
        this.#listener.receive(batch);
        this.#positions.set(key, last.offset + 1);
      }
    }
  }
}
/** Who is given which partitions. A member that does not answer finds out when it does. */
export class Group {
  #generation = 0;
  #assigned = new Map();
  get generation() {
    return this.#generation;
  }
  assign(assigned) {
    this.#generation++;
    this.#assigned = assigned;
  }
  of(member) {
    return this.#assigned.get(member) ?? [];
  }
  /** The coordinator checks membership and generation, not who owns a partition: a member checks that by itself. */
  accepts(member) {
    return this.#assigned.has(member) && member.generation === this.#generation;
  }
}
//# sourceMappingURL=memory-log.js.map
