// C11: how long healthy lanes wait while others fail or hang, against how long they wait while nobody does.
import { deliveryKey, type Facts, laneKey, targetsOf } from './facts.ts';
import { type Findings, percentile } from './findings.ts';
import { overlaps, windowsOf } from './windows.ts';

/** A failing or hanging request disturbs, if at all, what happens this long after it. */
const DISTURBS_MS = 2_000;
/** Fewer undisturbed deliveries say nothing of the undisturbed p99. */
const ENOUGH = 100;

interface Measured {
  latencyMs: number;
  committedAt: number;
  lane: string;
}

export function findSlowLanes(facts: Facts, findings: Findings): void {
  const measured = measure(facts);
  const trouble = troubled(facts);
  const isDisturbed = ({ committedAt, latencyMs }: Measured) =>
    trouble(committedAt - DISTURBS_MS, committedAt + latencyMs);
  const disturbed = measured.filter(isDisturbed);
  const undisturbed = measured.filter((one) => !isDisturbed(one)).map(({ latencyMs }) => latencyMs);
  const { healthyLatencyFactor, healthyLatencyFloorMs } = facts.manifest.bounds;
  const quiet = undisturbed.length < ENOUGH ? 0 : percentile(undisturbed, 0.99);
  const boundMs = Math.max(healthyLatencyFloorMs, healthyLatencyFactor * quiet);
  const latencies = disturbed.map(({ latencyMs }) => latencyMs);
  findings.figure('healthy deliveries while others failed', disturbed.length);
  findings.figure('healthy deliveries while nobody failed', undisturbed.length);
  for (const [name, values] of [
    ['disturbed', latencies],
    ['undisturbed', undisturbed],
  ] as const) {
    for (const share of [0.5, 0.99, 1])
      findings.figure(`${name} p${share * 100}, ms`, rounded(percentile(values, share)));
  }
  findings.figure('bound, ms', Math.round(boundMs));
  if (disturbed.length === 0) {
    findings.notChecked('no healthy lane was measured while others failed');
    return;
  }
  const p99 = percentile(latencies, 0.99);
  if (p99 > boundMs)
    findings.violation('the p99 of healthy lanes is beyond the bound', {
      p99: Math.round(p99),
      boundMs: Math.round(boundMs),
    });
  for (const [lane, ofLane] of Map.groupBy(disturbed, (one) => one.lane)) {
    const median = percentile(
      ofLane.map(({ latencyMs }) => latencyMs),
      0.5,
    );
    if (ofLane.length >= 3 && median > boundMs)
      findings.violation('the median of a healthy lane is beyond the bound', {
        lane,
        medianMs: Math.round(median),
        boundMs: Math.round(boundMs),
      });
  }
}

const rounded = (value: number) => (Number.isNaN(value) ? null : Math.round(value * 10) / 10);

/** Commit → first arrival at healthy endpoints, outside fault windows. The commit was some time before the writer knew of it. */
function measure(facts: Facts): Measured[] {
  const windows = windowsOf(facts);
  const measured: Measured[] = [];
  for (const event of facts.events) {
    if (event.outcome !== 'committed' || event.eventId === null || event.calls.length !== 1) continue;
    for (const endpoint of targetsOf(event, facts).must) {
      const first = endpoint.isHealthy && facts.deliveries.get(deliveryKey(endpoint.id, event.eventId))?.requests[0];
      if (!first || overlaps(windows, event.beganAt, first.receivedAt)) continue;
      const latencyMs = Math.max(0, first.receivedAt - event.endedAt);
      measured.push({ latencyMs, committedAt: event.endedAt, lane: laneKey(endpoint.id, event.streamId) });
    }
  }
  return measured;
}

/** Whether some request failed, hung or was cut between two instants. */
function troubled(facts: Facts): (from: number, until: number) => boolean {
  const instants = facts.requests
    .filter(({ isAccepted, answer }) => !isAccepted || answer !== 'full')
    .flatMap(({ receivedAt, answeredAt }) => [receivedAt, answeredAt ?? receivedAt])
    .toSorted((a, b) => a - b);
  return (from, until) => {
    const at = instants[firstNotBelow(instants, from)];
    return at !== undefined && at <= until;
  };
}

function firstNotBelow(sorted: readonly number[], value: number): number {
  let low = 0;
  for (let high = sorted.length; low < high;) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
