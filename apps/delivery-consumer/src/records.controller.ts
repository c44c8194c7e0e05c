// Where the log's batches and assignments enter the dispatcher.
import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { RecordBatch } from '#kafka';
import type { Dispatcher } from './dispatcher.ts';
import { ASSIGNMENT, RECORDS } from './log-transport.ts';
import { DISPATCHER } from './tokens.ts';

@Controller()
export class RecordsController {
  readonly #dispatcher: Dispatcher;

  constructor(@Inject(DISPATCHER) dispatcher: Dispatcher) {
    this.#dispatcher = dispatcher;
  }

  /** Only enqueues: Kafka is not read further until this returns. */
  @EventPattern(RECORDS)
  receive(@Payload() batch: RecordBatch): void {
    this.#dispatcher.receive(batch);
  }

  @EventPattern(ASSIGNMENT)
  assign(@Payload() partitions: readonly number[]): void {
    this.#dispatcher.assign(partitions);
  }
}
