// When faults may have had an effect: each from its beginning until its bound for recovery has passed.
import type { Facts } from './facts.ts';
import type { Fault, Manifest } from './history.ts';

/** What a machine that stood still has held up is made up for by then. */
const STALL_EFFECT_MS = 2_000;

export interface FaultWindow {
  fault: Fault;
  from: number;
  until: number;
}

/** By what was hit: the target begins with one of the bounds' words. */
export function recoveryBoundMs(fault: Fault, { bounds: { recoveryMs } }: Manifest): number {
  for (const part of ['relay', 'consumer', 'broker', 'database'] as const) {
    if (fault.target.startsWith(part)) return recoveryMs[part];
  }
  return recoveryMs.default;
}

export function windowsOf({ faults, stalls, manifest }: Facts): FaultWindow[] {
  const ofFaults = faults.map((fault) => ({
    fault,
    from: fault.beganAt,
    until: Math.max(fault.beganAt, fault.endedAt) + recoveryBoundMs(fault, manifest),
  }));
  const ofStalls = stalls.map(({ from, until }) => {
    const span = { beganAt: from, endedAt: until };
    const fault: Fault = { n: 0, row: '', kind: 'stall', target: 'machine', ...span, isClean: false };
    return { fault, from, until: until + STALL_EFFECT_MS };
  });
  return [...ofFaults, ...ofStalls];
}

/** True when some window shares an instant with [from, until]. */
export function overlaps(windows: readonly FaultWindow[], from: number, until: number): boolean {
  return windows.some((window) => window.from <= until && from <= window.until);
}

/** Faults after which a request may be made that no record knows, or made again: all but those that end cleanly. */
export const unclean = (windows: readonly FaultWindow[]): FaultWindow[] =>
  windows.filter(({ fault }) => !fault.isClean);
