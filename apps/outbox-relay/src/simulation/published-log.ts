// The events topic of a simulated run, and its judge: everything committed, nothing else, each lane in order and without gaps.
import { Violation } from '#clock';
import type { ProducedRecord } from '#kafka';

/** A record as the topic has it, at the virtual ms when it came. */
export interface Appended {
  at: number;
  eventId: string;
  record: ProducedRecord;
}

export interface CommittedEvent {
  at: number;
  eventId: string;
  streamId: string;
  targets: { endpoint: string; sequence: number | null }[];
}

export class PublishedLog {
  readonly records: Appended[] = [];
  readonly committed = new Map<string, CommittedEvent>();
  readonly #appended = new Map<string, number>();
  /** By endpoint and stream: the highest sequence on the log. */
  readonly #highest = new Map<string, number>();

  commit(event: CommittedEvent): void {
    this.committed.set(event.eventId, event);
  }

  /** Throws a Violation for what must not be on the topic, or not yet. */
  append(at: number, record: ProducedRecord): void {
    const eventId = String(record.headers['ce_id']);
    this.records.push({ at, eventId, record });
    this.#appended.set(eventId, (this.#appended.get(eventId) ?? 0) + 1);
    const event = this.committed.get(eventId);
    if (!event) throw new Violation(`phantom: ${eventId} is on the log and was not committed`, eventId);
    const targets = event.targets.map(({ endpoint, sequence }) => [endpoint, sequence]);
    if (record.headers['waybill-targets'] !== JSON.stringify(targets))
      throw new Violation(`identity: ${eventId} went to ${String(record.headers['waybill-targets'])}`, eventId);
    for (const { endpoint, sequence } of event.targets) {
      if (sequence === null) continue;
      const lane = `${endpoint} ${event.streamId}`;
      const highest = this.#highest.get(lane) ?? 0;
      if (sequence > highest + 1)
        throw new Violation(`order: ${lane} has ${sequence} right after ${highest}`, event.streamId);
      this.#highest.set(lane, Math.max(highest, sequence));
    }
  }

  /** The first committed event that is not on the log. */
  missing(): CommittedEvent | undefined {
    return [...this.committed.values()].find(({ eventId }) => !this.#appended.has(eventId));
  }

  get repeated(): string | undefined {
    return [...this.#appended].find(([, times]) => times > 1)?.[0];
  }

  /** Virtual ms from commit to log, of the slowest. */
  get longestWaitMs(): number {
    const first = new Map<string, number>();
    for (const { at, eventId } of this.records) if (!first.has(eventId)) first.set(eventId, at);
    return Math.max(
      0,
      ...[...this.committed.values()].map((event) => (first.get(event.eventId) ?? Infinity) - event.at),
    );
  }
}
