// The relay's own metrics.
import { Counter, Gauge, type Registry } from '#telemetry';

export interface RelayMetrics {
  shardsHeld: Gauge;
  published: Counter;
  invalidPayloads: Counter;
  oversized: Counter;
  republished: Counter;
  unknownEvents: Counter;
  lostEvents: Counter;
  reconciledAt: Gauge;
}

/** `findOldestPendingAt` answers in ms since 1970, or null; it is asked at each scrape. */
export function createRelayMetrics(
  registry: Registry,
  findOldestPendingAt: () => Promise<number | null>,
): RelayMetrics {
  const registers = [registry];
  new Gauge({
    name: 'waybill_outbox_oldest_pending_timestamp_seconds',
    help: 'When the oldest committed event that is not yet published was committed; 0 when there is none.',
    registers,
    async collect() {
      const at = await findOldestPendingAt().catch(() => undefined);
      if (at === undefined) this.reset();
      else this.set((at ?? 0) / 1000);
    },
  });
  return {
    shardsHeld: new Gauge({ name: 'waybill_outbox_shards_held', help: 'Shards that this relay publishes.', registers }),
    published: new Counter({
      name: 'waybill_outbox_published_total',
      help: 'Events acknowledged by Kafka, repeats included.',
      registers,
    }),
    invalidPayloads: new Counter({
      name: 'waybill_outbox_invalid_payloads_total',
      help: 'Events published although their payload does not match the schema of their type; their lanes halt.',
      registers,
    }),
    oversized: new Counter({
      name: 'waybill_outbox_oversized_total',
      help: 'Events that Kafka refused as too large and that were replaced by a stub; their lanes halt.',
      registers,
    }),
    republished: new Counter({
      name: 'waybill_outbox_republished_total',
      help: 'Events published again on request.',
      registers,
    }),
    unknownEvents: new Counter({
      name: 'waybill_reconciler_unknown_events_total',
      help: 'Events that were published and did not reach the delivery side; asked for again.',
      registers,
    }),
    lostEvents: new Counter({
      name: 'waybill_reconciler_lost_events_total',
      help: 'Events that a lane waits for and that the outbox has no more; their lanes halt.',
      registers,
    }),
    reconciledAt: new Gauge({
      name: 'waybill_reconciled_timestamp_seconds',
      help: 'Whatever the shards of this relay published until then is known to the delivery side; 0 before the first comparison.',
      registers,
    }),
  };
}
