// Which fault comes after which: drawn from the seed alone, so that a run can be repeated.
import { seededRandom } from '#clock';
import type { FaultKind } from './kinds/index.ts';
import { pick } from './load.ts';

export interface PlannedFault {
  /** After the beginning of the fault before. */
  gapMs: number;
  kind: FaultKind;
  target: string;
  /** Of what the fault itself draws. */
  seed: number;
}

/** Between the beginnings of two faults, least and most. */
const GAP_MS = [4_000, 14_000] as const;

/**
 * The parts of a run. At first nobody fails, so that there is something to compare with; then the receivers have their tempers; then
 * faults come one by one, so that causes and recovery times are clear; and at last they overlap.
 */
export function phasesOf(runMs: number): { moodyAfterMs: number; faultsAfterMs: number; stormAfterMs: number } {
  const quietMs = Math.min(90_000, runMs * 0.12);
  return { moodyAfterMs: quietMs, faultsAfterMs: 2 * quietMs, stormAfterMs: runMs * 0.45 };
}

/** More than a run of this length can use. Kinds come as cards of a shuffled pack, each as often as its weight: after one pack each has come. */
export function planFaults(kinds: readonly FaultKind[], runMs: number, seed: number): PlannedFault[] {
  const random = seededRandom(seed);
  const plan: PlannedFault[] = [];
  const [least, most] = GAP_MS;
  let pack: FaultKind[] = [];
  for (let lengthMs = 0; kinds.length > 0 && lengthMs < runMs;) {
    if (pack.length === 0) pack = shuffled(kinds, random);
    const kind = pack.pop()!;
    const gapMs = least + random() * (most - least);
    plan.push({ gapMs, kind, target: pick(random, kind.targets), seed: Math.floor(random() * 2 ** 31) });
    lengthMs += gapMs;
  }
  return plan;
}

function shuffled(kinds: readonly FaultKind[], random: () => number): FaultKind[] {
  const pack = kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => ({ kind, at: random() })));
  return pack.toSorted((a, b) => a.at - b.at).map(({ kind }) => kind);
}
