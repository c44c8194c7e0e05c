import { describe, expect, it } from 'vitest';
import { Registry } from '#telemetry';
import { createLaneMetrics } from './metrics.ts';
import type { BacklogFigures } from './stats.ts';

const figures: BacklogFigures = {
  lanes: { open: 7, parked: 2, halted: 1, oldestBlockedAt: 1_500_000 },
  waiting: { pending: 0, parked: 12, exhausted: 1 },
};

async function samples(registry: Registry): Promise<string[]> {
  return (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

describe('the lane metrics', () => {
  it('show what was counted', async () => {
    const registry = new Registry();
    createLaneMetrics(registry, () => Promise.resolve(figures));
    expect(await samples(registry)).toEqual([
      'waybill_lanes{state="open"} 7',
      'waybill_lanes{state="parked"} 2',
      'waybill_lanes{state="halted"} 1',
      'waybill_parked_deliveries 12',
      'waybill_lane_oldest_blocked_timestamp_seconds 1500',
    ]);
  });

  it('show nothing, rather than something old, while the database is away', async () => {
    const registry = new Registry();
    let away = false;
    createLaneMetrics(registry, () => (away ? Promise.reject(new Error('away')) : Promise.resolve(figures)));
    await samples(registry);
    away = true;
    expect(await samples(registry)).toEqual([]);
  });
});
