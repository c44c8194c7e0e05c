// The moments at which a test may make a process fail: every name, the file that it stands in, and what has happened by then.

export interface Moment {
  /** The one file that calls `failpoint(name)`. */
  file: string;
  /** What is done and what is not, when it is hit. */
  when: string;
  /** It stands in code that can't wait: `delay` is refused. */
  isSynchronous?: true;
}

export const failpoints = {
  'relay.after_read': {
    file: 'apps/outbox-relay/src/relay.ts',
    when: 'a page with rows was read, nothing of it is published',
  },
  'relay.after_produce_before_store': {
    file: 'apps/outbox-relay/src/relay.ts',
    when: 'Kafka has acknowledged a page, the progress is not stored',
  },
  'relay.before_release': {
    file: 'apps/outbox-relay/src/relay.ts',
    when: 'the relay is stopping and still holds its shards',
  },
  'producer.after_ack': {
    file: 'libs/kafka/src/producer.ts',
    when: 'Kafka has acknowledged all records, the caller does not know it',
  },
  'consumer.after_acquire': {
    file: 'apps/delivery-consumer/src/dispatcher.ts',
    when: 'leases were taken in PostgreSQL, memory knows nothing of them',
  },
  'consumer.before_send': {
    file: 'apps/delivery-consumer/src/attempt.ts',
    when: 'a request is signed and not sent',
  },
  'consumer.in_flight': {
    file: 'apps/delivery-consumer/src/attempt.ts',
    when: 'a request was handed over for sending; a few ms later it is on the wire: use exit:20',
  },
  'consumer.after_success_before_flush': {
    file: 'apps/delivery-consumer/src/attempt.ts',
    when: 'a receiver has answered with success, nothing is noted of it',
  },
  'consumer.before_flush': {
    file: 'apps/delivery-consumer/src/dispatcher.ts',
    when: 'the next state transaction is about to begin',
  },
  'consumer.after_flush_before_offsets': {
    file: 'apps/delivery-consumer/src/dispatcher.ts',
    when: 'deliveries are committed in PostgreSQL, their offsets in Kafka are not',
  },
  'consumer.after_offsets': {
    file: 'apps/delivery-consumer/src/dispatcher.ts',
    when: 'the offsets that were due are committed too',
  },
  'consumer.after_park_before_ticket': {
    file: 'apps/delivery-consumer/src/transitions.ts',
    when: 'a failed attempt is committed, its ticket is not even queued',
    isSynchronous: true,
  },
  'consumer.before_release': {
    file: 'apps/delivery-consumer/src/dispatcher.ts',
    when: 'partitions are drained and their offsets committed, their leases are still held',
  },
  'database.before_commit': {
    file: 'libs/database/src/pool.ts',
    when: 'all statements of a transaction have run, COMMIT is not sent',
  },
  'database.after_commit': {
    file: 'libs/database/src/pool.ts',
    when: 'a transaction is committed; throw makes the caller believe that the answer was lost',
  },
  'status.after_command': {
    file: 'apps/status-service/src/lanes.controller.ts',
    when: 'an operator command is committed, neither its ticket nor the answer is sent',
  },
} satisfies Record<string, Moment>;

export type FailpointName = keyof typeof failpoints;
