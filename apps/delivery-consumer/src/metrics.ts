// The consumer's own metrics. Labels stay bounded: no tenant, endpoint or stream.
import { Counter, Gauge, Histogram, type Registry } from '#telemetry';

export type ConsumerMetrics = ReturnType<typeof createConsumerMetrics>;

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200];

// oxlint-disable-next-line eslint/max-lines-per-function -- a table: one entry a metric
export function createConsumerMetrics(registry: Registry) {
  const registers = [registry];
  return {
    attempts: new Counter({
      name: 'waybill_delivery_attempts_total',
      help: 'HTTP requests by outcome.',
      labelNames: ['outcome', 'error_class', 'event_type'],
      registers,
    }),
    attemptDuration: new Histogram({
      name: 'waybill_delivery_attempt_duration_seconds',
      help: 'Time of one HTTP request, from dispatch to its answer or failure.',
      buckets: SECONDS,
      registers,
    }),
    deliveryLatency: new Histogram({
      name: 'waybill_event_delivery_latency_seconds',
      help: 'Time from commit to the first success.',
      buckets: SECONDS,
      registers,
    }),
    finished: new Counter({
      name: 'waybill_deliveries_finished_total',
      help: 'Deliveries that reached a terminal state.',
      labelNames: ['state'],
      registers,
    }),
    parked: new Counter({
      name: 'waybill_deliveries_parked_total',
      help: 'Deliveries written to PostgreSQL to wait, by what blocked their lane first.',
      labelNames: ['reason'],
      registers,
    }),
    halted: new Counter({
      name: 'waybill_lanes_halted_total',
      help: 'Lanes that halted.',
      labelNames: ['reason'],
      registers,
    }),
    gaps: new Counter({
      name: 'waybill_lane_gaps_total',
      help: 'Records that came before the one in front of them.',
      registers,
    }),
    deadLetters: new Counter({
      name: 'waybill_dead_letters_total',
      help: 'Records written to the dead-letter topic.',
      labelNames: ['reason'],
      registers,
    }),
    orderViolations: new Counter({
      name: 'waybill_order_violations_total',
      help: 'Successes out of sequence order: a defect, whatever its number.',
      registers,
    }),
    duplicateSends: new Counter({
      name: 'waybill_duplicate_sends_total',
      help: 'Requests that may repeat an earlier success.',
      labelNames: ['cause'],
      registers,
    }),
    duplicateRecords: new Counter({
      name: 'waybill_duplicate_records_total',
      help: 'Records on the log that were known already.',
      registers,
    }),
    leaseLost: new Counter({
      name: 'waybill_partition_lease_lost_total',
      help: 'Partitions that another consumer took over while this one held them.',
      registers,
    }),
    targetsBlocked: new Counter({
      name: 'waybill_targets_blocked_total',
      help: 'Requests not made because of the address guard or an unusable secret.',
      labelNames: ['reason'],
      registers,
    }),
    endpointsPaused: new Counter({
      name: 'waybill_endpoints_gone_total',
      help: 'Endpoints paused after a 410.',
      registers,
    }),
    breakersOpened: new Counter({
      name: 'waybill_circuit_breakers_opened_total',
      help: 'Circuit breakers that opened.',
      registers,
    }),
    commands: new Counter({
      name: 'waybill_operator_commands_total',
      help: 'Operator commands by kind and result.',
      labelNames: ['kind', 'result'],
      registers,
    }),
    flushDuration: new Histogram({
      name: 'waybill_flush_duration_seconds',
      help: 'Time of one state transaction: with the flush interval, the window of duplicates after a crash.',
      buckets: SECONDS,
      registers,
    }),
    spilled: new Counter({
      name: 'waybill_lanes_spilled_total',
      help: 'Lanes moved from memory to PostgreSQL for lack of room or time.',
      registers,
    }),
  };
}

/** Gauges that read the dispatcher and the Kafka consumer at each scrape. */
export function createConsumerGauges(
  registry: Registry,
  dispatcher: { readonly inFlight: number; readonly ownedPartitions: number; readonly bufferedRecords: number },
  consumer: { lag(): Map<string, number> },
): void {
  const registers = [registry];
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  gauge('waybill_deliveries_in_flight', 'Requests in flight.', () => dispatcher.inFlight);
  gauge('waybill_partitions_owned', 'Partitions whose lease this process holds.', () => dispatcher.ownedPartitions);
  gauge('waybill_records_buffered', 'Records in memory that are not done.', () => dispatcher.bufferedRecords);
  new Gauge({
    name: 'waybill_consumer_lag_records',
    help: 'Records on the log that were not read yet.',
    labelNames: ['topic'],
    registers,
    collect() {
      for (const [topic, lag] of consumer.lag()) this.set({ topic }, lag);
    },
  });
}
