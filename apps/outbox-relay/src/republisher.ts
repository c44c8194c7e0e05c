// Answers requests to publish events again, for the shards that this relay holds: page by page, closed after Kafka's acknowledgement.
import type { Queryable } from '#database';
import { closeRepublishRequests, readRepublishRequests } from '#outbox';
import type { Logger } from '#telemetry';
import type { LoopResult } from '#worker';
import type { RelayMetrics } from './metrics.ts';
import type { Publish } from './relay.ts';

export interface RepublisherPorts {
  outbox: Queryable;
  logger: Logger;
  metrics: Pick<RelayMetrics, 'republished'>;
}

const PAGE_SIZE = 200;
/** Between two full pages: what is published for the first time goes first. */
const BUSY_PAUSE_MS = 10;
const IDLE_PAUSE_MS = 500;

export class Republisher {
  readonly #holder: string;
  readonly #ports: RepublisherPorts;
  #publish: Publish = () => Promise.reject(new Error('the republisher was not told how to publish'));

  constructor(holder: string, ports: RepublisherPorts) {
    this.#holder = holder;
    this.#ports = ports;
  }

  /** Before the first page: how rows become acknowledged records. */
  publishWith(publish: Publish): void {
    this.#publish = publish;
  }

  /** One page. Throws on a fault of PostgreSQL or Kafka: what was acknowledged by then is published once more, a repeat. */
  async runOnce(): Promise<LoopResult> {
    const { outbox, logger, metrics } = this.#ports;
    const requests = await readRepublishRequests(outbox, this.#holder, PAGE_SIZE);
    if (requests.length === 0) return { nextInMs: IDLE_PAUSE_MS };
    const [found, gone] = [
      requests.filter(({ rows }) => rows.length > 0),
      requests.filter(({ rows }) => rows.length === 0),
    ];
    // In the order of their ids, as at first: within a lane nothing then comes before what it follows.
    const rows = found.flatMap((request) => request.rows).toSorted((a, b) => a.id - b.id);
    if (rows.length > 0) await this.#publish(rows);
    const published = await this.#close(
      found.map(({ id }) => id),
      'published',
    );
    const unanswerable = await this.#close(
      gone.map(({ id }) => id),
      'gone',
    );
    metrics.republished.inc(rows.length);
    logger.info(
      { requests: requests.length, events: rows.length, closed: published, gone: unanswerable },
      'published again',
    );
    return { nextInMs: BUSY_PAUSE_MS };
  }

  async #close(ids: readonly number[], result: 'published' | 'gone'): Promise<number> {
    return ids.length === 0 ? 0 : closeRepublishRequests(this.#ports.outbox, this.#holder, ids, result);
  }
}
