// How long after each fault events flowed again everywhere, by the probe: one event a second on a stream of every partition.
import { join } from 'node:path';
import type { Arrival, Recovery, WriterTransaction } from './checker/history.ts';
import type { FaultRecord } from './faults.ts';
import { readJournal } from './journal.ts';
import { PROBE_TENANT } from './population.ts';

/** An event of the probe: when its commit was answered, and when it first arrived. */
interface Probe {
  streamId: string;
  committedAt: number;
  arrivedAt: number | null;
}

export async function readProbes(folder: string): Promise<Probe[]> {
  const probes = new Map<string, Probe>();
  for await (const { outcome, endedAt, events } of readJournal<WriterTransaction>(join(folder, 'writer.jsonl'))) {
    const [event] = events;
    if (outcome !== 'committed' || event?.tenantId !== PROBE_TENANT || event.eventId === null) continue;
    probes.set(event.eventId, { streamId: event.streamId, committedAt: endedAt, arrivedAt: null });
  }
  for await (const { path, headers, receivedAt } of readJournal<Arrival>(join(folder, 'receiver.jsonl'))) {
    if (!path.startsWith(`/${PROBE_TENANT}/`)) continue;
    const probe = probes.get(headers['x-webhook-event-id'] ?? '');
    if (probe !== undefined) probe.arrivedAt ??= receivedAt;
  }
  return [...probes.values()].toSorted((a, b) => a.committedAt - b.committedAt);
}

/**
 * For each fault: the time until, on the last of the streams, an event that was committed after the fault arrived. Where another fault
 * came before that, it is counted from the last of them, for all of them.
 */
export function recoveries(faults: readonly FaultRecord[], probes: readonly Probe[]): Recovery[] {
  const streams = [...Map.groupBy(probes, ({ streamId }) => streamId).values()];
  return faults.map((fault) => recoveryOf(fault, faults, streams));
}

function recoveryOf(fault: FaultRecord, faults: readonly FaultRecord[], streams: readonly Probe[][]): Recovery {
  const others = new Set<FaultRecord>();
  let from = fault.recoveryFrom;
  for (;;) {
    const until = flowsAgainAt(streams, from);
    const isLater = (one: FaultRecord) => one.beganAt < until && one.recoveryFrom > from;
    const later = faults.filter((one) => one !== fault && !one.isHarmless && !others.has(one) && isLater(one));
    if (later.length === 0) {
      const recoveredAfterMs = Number.isFinite(until) ? until - from : null;
      return { fault: fault.n, recoveredAfterMs, with: [...others].map(({ n }) => n) };
    }
    for (const one of later) others.add(one);
    from = Math.max(...later.map(({ recoveryFrom }) => recoveryFrom));
  }
}

/** When every stream had got an event that was committed after `from`; Infinity for never. */
function flowsAgainAt(streams: readonly Probe[][], from: number): number {
  const firsts = streams.map((probes) => {
    const later = probes.filter(({ committedAt }) => committedAt > from);
    return Math.min(...later.map(({ arrivedAt }) => arrivedAt ?? Infinity));
  });
  return Math.max(...firsts);
}
