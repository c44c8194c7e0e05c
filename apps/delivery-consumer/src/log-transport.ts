// Nest's way into the consumer: a transport over libs/kafka that hands whole batches to the handlers and commits nothing itself.
import { type CustomTransportStrategy, Server } from '@nestjs/microservices';
import type { LogConsumer, RecordBatch } from '#kafka';

export const RECORDS = 'records';
export const ASSIGNMENT = 'assignment';

/** Nest's own Kafka transport commits by itself and handles one message at a time: neither keeps a lane's promises. */
export class LogTransport extends Server implements CustomTransportStrategy {
  readonly #consumer: LogConsumer;
  readonly #drain: () => Promise<void>;

  constructor(consumer: LogConsumer, drain: () => Promise<void>) {
    super();
    this.#consumer = consumer;
    this.#drain = drain;
  }

  listen(listening: () => void): void {
    const records = this.getHandlerByPattern(RECORDS);
    const assignment = this.getHandlerByPattern(ASSIGNMENT);
    if (!records || !assignment) throw new Error(`the module has no handlers for ${RECORDS} and ${ASSIGNMENT}`);
    this.#consumer.start({
      onBatch: async (batch: RecordBatch) => void (await records(batch)),
      onAssignment: (partitions) => void assignment(partitions),
    });
    listening();
  }

  /** R12: everything is written and committed before the group is left; after that nothing can be. */
  async close(): Promise<void> {
    await this.#drain();
    await this.#consumer.stop();
  }

  // Nest's contract: this transport has no events of its own and no client to unwrap.
  on(): void {}
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- Nest's signature
  unwrap<T>(): T {
    return this.#consumer as T;
  }
}
