// How a recovery time comes out of the probe's events.
import { expect, it } from 'vitest';
import type { FaultRecord } from './faults.ts';
import { recoveries } from './recovery.ts';

const fault = (n: number, recoveryFrom: number, more: Partial<FaultRecord> = {}): FaultRecord => ({
  n,
  row: 'F4',
  kind: 'kill',
  target: 'consumer-1',
  beganAt: recoveryFrom,
  endedAt: recoveryFrom + 1_000,
  isClean: false,
  isHarmless: false,
  recoveryFrom,
  ...more,
});
const probe = (streamId: string, committedAt: number, arrivedAt: number | null) => ({
  streamId,
  committedAt,
  arrivedAt,
});

it('is the time until the last of the streams flows again', () => {
  const probes = [probe('a', 1_100, 1_110), probe('b', 1_100, 7_000), probe('b', 2_100, 7_050)];
  expect(recoveries([fault(1, 1_000)], probes)).toEqual([{ fault: 1, recoveredAfterMs: 6_000, with: [] }]);
});

it('does not count what was committed before the fault', () => {
  const probes = [probe('a', 990, 1_500), probe('a', 3_000, 3_010)];
  expect(recoveries([fault(1, 1_000)], probes)).toEqual([{ fault: 1, recoveredAfterMs: 2_010, with: [] }]);
});

it('takes an event that never arrived for none', () => {
  const probes = [probe('a', 1_100, null), probe('a', 2_100, 2_200)];
  expect(recoveries([fault(1, 1_000)], probes)).toEqual([{ fault: 1, recoveredAfterMs: 1_200, with: [] }]);
});

it('is null where a stream did not flow again', () => {
  expect(recoveries([fault(1, 1_000)], [probe('a', 1_100, 1_110), probe('b', 900, 910)])).toEqual([
    { fault: 1, recoveredAfterMs: null, with: [] },
  ]);
});

it('is counted from the last fault where others came before it was over', () => {
  const probes = [probe('a', 1_100, 9_000), probe('a', 5_100, 9_001), probe('a', 9_500, 9_510)];
  expect(recoveries([fault(1, 1_000), fault(2, 5_000), fault(3, 9_400)], probes)).toEqual([
    { fault: 1, recoveredAfterMs: 4_001, with: [2] },
    { fault: 2, recoveredAfterMs: 4_001, with: [] },
    { fault: 3, recoveredAfterMs: 110, with: [] },
  ]);
});

it('waits for the end of an outage that had begun before', () => {
  const outage = fault(1, 8_000, { beganAt: 500, target: 'broker-1+2' });
  const probes = [probe('a', 2_100, 8_300), probe('a', 8_100, 8_400)];
  expect(recoveries([outage, fault(2, 2_000)], probes)).toEqual([
    { fault: 1, recoveredAfterMs: 400, with: [] },
    { fault: 2, recoveredAfterMs: 400, with: [1] },
  ]);
});

it('does not take a fault for a reason during which events flow on', () => {
  const probes = [probe('a', 1_100, 9_000)];
  const all = recoveries([fault(1, 1_000), fault(2, 5_000, { isHarmless: true, target: 'status' })], probes);
  expect(all[0]).toEqual({ fault: 1, recoveredAfterMs: 8_000, with: [] });
});
