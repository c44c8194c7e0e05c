// C13: how long after each fault events flowed again, as measured by the runner and as the journals show it.
import { type Facts, targetsOf } from './facts.ts';
import { type Findings, percentile } from './findings.ts';
import type { Fault, Recovery } from './history.ts';
import { readAll } from './read-lines.ts';
import { recoveryBoundMs } from './windows.ts';

/** Every fault of these must have been measured. */
const MEASURED = /^(relay|consumer|broker|database)/;

export async function findSlowRecoveries(facts: Facts, findings: Findings): Promise<void> {
  const recoveries = new Map(
    (await readAll<Recovery>(facts.folder, 'recoveries.jsonl')).map((one) => [one.fault, one]),
  );
  findings.figure('faults', facts.faults.length);
  for (const fault of facts.faults) {
    const measured = recoveries.get(fault.n);
    const together = facts.faults.filter(({ n }) => n === fault.n || measured?.with?.includes(n));
    const boundMs = Math.max(...together.map((one) => recoveryBoundMs(one, facts.manifest)));
    const about = { fault: fault.n, row: fault.row, kind: fault.kind, target: fault.target, boundMs };
    if (!measured && MEASURED.test(fault.target)) findings.violation('nobody measured how long it took', about);
    if (measured?.recoveredAfterMs === null) findings.violation('nothing flowed again', about);
    if (measured && measured.recoveredAfterMs! > boundMs)
      findings.violation('it took longer than its bound', { ...about, tookMs: Math.round(measured.recoveredAfterMs!) });
  }
  for (const [part, ofPart] of Map.groupBy(facts.faults, (fault) => /^[a-z]+/.exec(fault.target)?.[0] ?? 'other')) {
    const took = ofPart.flatMap(({ n }) => recoveries.get(n)?.recoveredAfterMs ?? []);
    if (took.length > 0) findings.figure(`${part}: slowest of ${took.length}, ms`, Math.round(percentile(took, 1)));
  }
  checkSilences(facts, findings);
}

/** Independently of the runner: healthy endpoints that had something to get got something before the bound. */
function checkSilences(facts: Facts, findings: Findings): void {
  const healthy = new Set(facts.manifest.endpoints.filter(({ isHealthy }) => isHealthy));
  const wanted = facts.events
    .filter(
      (event) =>
        event.outcome === 'committed' && targetsOf(event, facts).must.some((endpoint) => healthy.has(endpoint)),
    )
    .map(({ beganAt }) => beganAt)
    .toSorted((a, b) => a - b);
  const arrived = facts.requests.filter(({ endpoint }) => healthy.has(endpoint)).map(({ receivedAt }) => receivedAt);
  for (const fault of facts.faults) {
    const boundMs = recoveryBoundMs(fault, facts.manifest);
    const nextWritten = wanted.find((at) => at >= fault.endedAt);
    const deadline = Math.max(fault.endedAt, nextWritten ?? Infinity) + boundMs;
    // Another fault before the deadline has a deadline of its own.
    const isAlone = !facts.faults.some(
      (other) => other !== fault && other.beganAt <= deadline && other.endedAt >= fault.endedAt,
    );
    if (deadline === Infinity || deadline > facts.manifest.endedAt || !isAlone) continue;
    findings.count('silences checked');
    if (!arrived.some((at) => at >= fault.endedAt && at <= deadline))
      findings.violation('silence after the fault', aboutSilence(fault, boundMs));
  }
}

const aboutSilence = ({ n, row, kind, target }: Fault, boundMs: number) => ({ fault: n, row, kind, target, boundMs });
