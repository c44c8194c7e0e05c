// Wakes the owners of lanes that got a command: best effort, because the rows are the truth and the sweeper finds them.
import type { Clock } from '#clock';
import { type CommandRow, commandTicket } from '#deliveries';
import type { LogProducer } from '#kafka';
import type { Logger } from '#telemetry';

export class RetryTickets {
  readonly #producer: LogProducer;
  readonly #topic: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #sending = new Set<Promise<void>>();

  constructor(parts: { producer: LogProducer; topicPrefix: string; clock: Clock; logger: Logger }) {
    this.#producer = parts.producer;
    this.#topic = `${parts.topicPrefix}.retry`;
    this.#clock = parts.clock;
    this.#logger = parts.logger;
  }

  /** Call it after the commit. Returns at once: the operator's answer does not wait for Kafka. */
  announce(commands: readonly CommandRow[]): void {
    if (commands.length === 0) return;
    const sending = this.#send(commands).finally(() => this.#sending.delete(sending));
    this.#sending.add(sending);
  }

  /** Resolves when nothing is being sent. */
  async settled(): Promise<void> {
    await Promise.all(this.#sending);
  }

  async #send(commands: readonly CommandRow[]): Promise<void> {
    const now = new Date(this.#clock.now());
    const records = commands.map((command) => {
      const { partition, key, value } = commandTicket(command, now);
      return { topic: this.#topic, partition, key, value: Buffer.from(value), headers: {} };
    });
    try {
      await this.#producer.send(records);
    } catch (error) {
      this.#logger.warn(
        { error, commands: commands.length },
        'tickets were not sent; the sweeper will find the commands',
      );
    }
  }
}
