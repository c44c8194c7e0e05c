// What the consumer writes to the log: tickets (hints, may be lost) and dead letters (kept until they are acknowledged).
import type { WaybillEvent } from '#events';
import { type ConsumedRecord, partitionFor, type ProducedRecord } from '#kafka';
import type { Delivery, Lane } from '#lane';
import type { Logger } from '#telemetry';
import type { Log } from './ports.ts';

/** The JSON on the retry topic. It wakes a lane's owner; the rows in PostgreSQL are the truth. */
export interface Ticket {
  kind: 'retry' | 'command';
  endpointId: string;
  streamId: string;
  headSequence: number;
  attempt: number;
  /** ISO 8601. */
  notBefore: string;
}

export class Outgoing {
  readonly #log: Log;
  readonly #logger: Logger;
  readonly #topicPrefix: string;
  readonly #partitions: number;
  #tickets: ProducedRecord[] = [];
  #deadLetters: { record: ProducedRecord; done: () => void }[] = [];
  #sending: Promise<void> | null = null;

  constructor(options: { log: Log; logger: Logger; topicPrefix: string; partitions: number }) {
    this.#log = options.log;
    this.#logger = options.logger;
    this.#topicPrefix = options.topicPrefix;
    this.#partitions = options.partitions;
  }

  ticket(lane: Lane): void {
    if (lane.unorderedEventId !== null || lane.nextAttemptAt === null) return;
    const ticket: Ticket = {
      kind: 'retry',
      endpointId: lane.endpointId,
      streamId: lane.streamId,
      headSequence: lane.delivered + 1,
      attempt: lane.attempts,
      notBefore: new Date(lane.nextAttemptAt).toISOString(),
    };
    this.#tickets.push({
      topic: `${this.#topicPrefix}.retry`,
      partition: lane.partition,
      key: lane.streamId,
      value: Buffer.from(JSON.stringify(ticket)),
      headers: { 'content-type': 'application/json' },
    });
  }

  /**
   * A delivery that will not be attempted again by itself; the record is the event's, with the last failure in its headers.
   * `done` runs when Kafka has it.
   */
  deadLetterDelivery(delivery: Delivery, reason: string, done: () => void = () => undefined): void {
    const { event, last } = delivery;
    this.#deadLetters.push({
      record: {
        topic: `${this.#topicPrefix}.dead-letter`,
        partition: partitionFor(event.streamId, this.#partitions),
        key: event.streamId,
        value: event.payload,
        headers: {
          ...headersOf(event),
          'waybill-endpoint': delivery.endpointId,
          ...(delivery.sequence === null ? {} : { 'waybill-sequence': String(delivery.sequence) }),
          'waybill-reason': reason,
          'waybill-attempts': String(delivery.attempts),
          ...(last?.errorClass ? { 'waybill-last-error': last.errorClass } : {}),
          ...(last?.statusCode ? { 'waybill-last-status': String(last.statusCode) } : {}),
        },
      },
      done,
    });
  }

  /** A record that nothing can be made of, as it came. `done` runs when Kafka has it: only then is its offset done. */
  deadLetterRecord(partition: number, record: ConsumedRecord, reason: string, done: () => void): void {
    const headers = Object.entries(record.headers).flatMap(([name, value]) => {
      const one = Array.isArray(value) ? value[0] : value;
      return one == null ? [] : [[name, Buffer.from(one)] as const];
    });
    this.#deadLetters.push({
      record: {
        topic: `${this.#topicPrefix}.dead-letter`,
        partition,
        key: record.key === null ? null : Buffer.from(record.key),
        value: record.value,
        headers: { ...Object.fromEntries(headers), 'waybill-reason': reason, 'waybill-offset': String(record.offset) },
      },
      done,
    });
  }

  /** Sends what has gathered; one batch at a time. Never throws: tickets are dropped on a fault, dead letters kept. */
  flush(): Promise<void> {
    return (this.#sending ??= this.#send().finally(() => (this.#sending = null)));
  }

  get isEmpty(): boolean {
    return this.#deadLetters.length === 0 && this.#sending === null;
  }

  async #send(): Promise<void> {
    const tickets = this.#tickets.splice(0);
    const deadLetters = this.#deadLetters.slice(0, 100);
    if (tickets.length + deadLetters.length === 0) return;
    try {
      await this.#log.produce([...tickets, ...deadLetters.map((one) => one.record)]);
      this.#deadLetters.splice(0, deadLetters.length);
      for (const { done } of deadLetters) done();
    } catch (error) {
      this.#logger.warn(
        { error, tickets: tickets.length, deadLetters: deadLetters.length },
        'could not write to the log',
      );
    }
  }
}

function headersOf(event: WaybillEvent): Record<string, string> {
  return {
    ce_specversion: '1.0',
    ce_id: event.eventId,
    ce_type: event.type,
    ce_source: `/waybill/${event.tenantId}`,
    ce_subject: event.streamId,
    ce_time: event.occurredAt,
    'content-type': 'application/json',
    'waybill-tenant': event.tenantId,
    'waybill-enqueued-at': event.enqueuedAt,
    ...(event.payloadFault === undefined ? {} : { 'waybill-payload-fault': event.payloadFault }),
  };
}
