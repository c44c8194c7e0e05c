// The status service's own metrics: blocked lanes by query, and its requests.
import { Gauge, Histogram, type Registry } from '#telemetry';
import type { BacklogFigures } from './stats.ts';

/** `read` is asked at each scrape; it must keep its answer for 5 s or more. While it fails, the series are absent. */
export function createLaneMetrics(registry: Registry, read: () => Promise<BacklogFigures>): void {
  const registers = [registry];
  new Gauge({
    name: 'waybill_lanes',
    help: 'Lanes by state.',
    labelNames: ['state'],
    registers,
    async collect() {
      const figures = await read().catch(() => undefined);
      this.reset();
      if (!figures) return;
      const { open, parked, halted } = figures.lanes;
      this.set({ state: 'open' }, open ?? 0);
      this.set({ state: 'parked' }, parked);
      this.set({ state: 'halted' }, halted);
    },
  });
  const single = (name: string, help: string, value: (figures: BacklogFigures) => number) =>
    new Gauge({
      name,
      help,
      // A label-less gauge would say 0 while nothing is known; with a collected one its series can be absent.
      registers,
      async collect() {
        const figures = await read().catch(() => undefined);
        if (figures) this.set(value(figures));
        else this.remove();
      },
    });
  single(
    'waybill_parked_deliveries',
    'Deliveries that wait behind a failed head, or are it.',
    ({ waiting }) => waiting.parked,
  );
  single(
    'waybill_lane_oldest_blocked_timestamp_seconds',
    'When the lane that waits longest was blocked; 0 when none is.',
    ({ lanes }) => (lanes.oldestBlockedAt ?? 0) / 1_000,
  );
}

/** Seconds by method, route pattern and status: all three bounded. */
export function createRequestHistogram(registry: Registry): Histogram<'method' | 'route' | 'status'> {
  return new Histogram({
    name: 'waybill_http_request_duration_seconds',
    help: 'How long the API took to answer.',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
}
