// What the report shows of a history beside the checker's verdict: latency over time, recovery times, memory.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Arrival, Fault, Manifest, Recovery, Sample, WriterTransaction } from './checker/history.ts';
import { readJournal, readWholeJournal } from './journal.ts';
import { LATENESS, RUNNER } from './sampler.ts';

export interface Bucket {
  /** After the beginning of the run. */
  atMs: number;
  /** Of events of healthy endpoints, from the commit's answer to the first arrival. NaN where none was committed. */
  p50Ms: number;
  p99Ms: number;
  /** First arrivals at all endpoints. */
  perSecond: number;
}

export interface RecoveryRow {
  kind: string;
  faults: number;
  /** Of those that no other fault came to before they were over. */
  alone: number;
  aloneP50Ms: number;
  aloneMaxMs: number;
  /** Of all, counted from the last of the faults that came together. */
  maxMs: number;
  /** Not seen to recover. */
  never: number;
}

export interface MemoryRow {
  process: string;
  lives: number;
  halfTimeMb: number;
  endMb: number;
  maxMb: number;
}

export interface ReportFacts {
  manifest: Manifest;
  faults: Fault[];
  buckets: Bucket[];
  recoveries: RecoveryRow[];
  memory: MemoryRow[];
  committedEvents: number;
  requests: number;
  deliveries: number;
  /** Share of the time in which even the runner's own timers came late: latencies and deadlines say little then. */
  starvedShare: number;
}

const BUCKET_MS = 5_000;
const MB = 1_048_576;
const STARVED_SECONDS = 0.25;

export async function readReportFacts(folder: string, manifest: Manifest): Promise<ReportFacts> {
  const faults = list<Fault>(folder, 'faults.jsonl').toSorted((a, b) => a.beganAt - b.beganAt);
  const { committedAt, committedEvents } = await readCommits(folder);
  const arrivals = await readArrivals(folder, manifest, committedAt);
  const samples = list<Sample>(folder, 'samples.jsonl');
  return {
    manifest,
    faults,
    committedEvents,
    requests: arrivals.requests,
    deliveries: arrivals.firsts.length,
    buckets: bucketsOf(manifest, arrivals),
    recoveries: recoveryRows(faults, list<Recovery>(folder, 'recoveries.jsonl')),
    memory: memoryRows(samples),
    starvedShare: starvedShare(samples),
  };
}

async function readCommits(folder: string) {
  const committedAt = new Map<string, number>();
  for await (const { outcome, endedAt, events } of readJournal<WriterTransaction>(join(folder, 'writer.jsonl'))) {
    if (outcome !== 'committed') continue;
    for (const { eventId } of events) if (eventId !== null) committedAt.set(eventId, endedAt);
  }
  return { committedAt, committedEvents: committedAt.size };
}

interface Arrivals {
  requests: number;
  /** Of the first arrival of each event at each endpoint. */
  firsts: number[];
  /** Of those at healthy endpoints, by the instant of the commit. */
  healthy: { committedAt: number; latencyMs: number }[];
}

async function readArrivals(folder: string, manifest: Manifest, committedAt: Map<string, number>): Promise<Arrivals> {
  const healthyPaths = new Set(manifest.endpoints.filter(({ isHealthy }) => isHealthy).map(({ path }) => path));
  const seen = new Set<string>();
  const found: Arrivals = { requests: 0, firsts: [], healthy: [] };
  for await (const { path, headers, receivedAt } of readJournal<Arrival>(join(folder, 'receiver.jsonl'))) {
    found.requests++;
    const eventId = headers['x-webhook-event-id'] ?? '';
    const key = `${path} ${eventId}`;
    if (seen.has(key)) continue;
    seen.add(key);
    found.firsts.push(receivedAt);
    const commit = committedAt.get(eventId);
    if (commit === undefined || !healthyPaths.has(path)) continue;
    // The commit's answer may be read after the webhook has arrived.
    found.healthy.push({ committedAt: commit, latencyMs: Math.max(0, receivedAt - commit) });
  }
  return found;
}

function bucketsOf({ startedAt, endedAt }: Manifest, { firsts, healthy }: Arrivals): Bucket[] {
  const count = Math.max(1, Math.ceil((endedAt - startedAt) / BUCKET_MS));
  const latencies = Array.from({ length: count }, (): number[] => []);
  const arrivals = Array.from({ length: count }, () => 0);
  const place = (at: number) => Math.min(count - 1, Math.max(0, Math.floor((at - startedAt) / BUCKET_MS)));
  for (const { committedAt, latencyMs } of healthy) latencies[place(committedAt)]!.push(latencyMs);
  for (const at of firsts) arrivals[place(at)]!++;
  return latencies.map((values, index) => ({
    atMs: index * BUCKET_MS,
    p50Ms: quantile(values, 0.5),
    p99Ms: quantile(values, 0.99),
    perSecond: (arrivals[index]! * 1_000) / BUCKET_MS,
  }));
}

function recoveryRows(faults: readonly Fault[], recoveries: readonly Recovery[]): RecoveryRow[] {
  const byFault = new Map(recoveries.map((recovery) => [recovery.fault, recovery]));
  const measured = faults.filter(({ n }) => byFault.has(n));
  const groups = Map.groupBy(measured, ({ row, kind, target }) => `${row} ${kind} ${target.replace(/[-/].*/, '')}`);
  return [...groups]
    .map(([kind, members]) => {
      const all = members.map(({ n }) => byFault.get(n)!);
      const times = all.flatMap(({ recoveredAfterMs }) => recoveredAfterMs ?? []);
      const alone = all
        .filter((one) => one.with?.length === 0)
        .flatMap(({ recoveredAfterMs }) => recoveredAfterMs ?? []);
      return {
        kind,
        faults: members.length,
        alone: alone.length,
        aloneP50Ms: quantile(alone, 0.5),
        aloneMaxMs: quantile(alone, 1),
        maxMs: quantile(times, 1),
        never: members.length - times.length,
      };
    })
    .toSorted((a, b) => a.kind.localeCompare(b.kind));
}

function memoryRows(samples: readonly Sample[]): MemoryRow[] {
  const groups = Map.groupBy(samples, ({ process }) => process);
  return [...groups].map(([process, all]) => {
    const sizes = all.map(({ rssBytes }) => Math.round(rssBytes / MB));
    return {
      process,
      lives: new Set(all.map(({ pid }) => pid)).size,
      halfTimeMb: sizes[Math.floor(sizes.length / 2)]!,
      endMb: sizes.at(-1)!,
      maxMb: Math.max(...sizes),
    };
  });
}

function starvedShare(samples: readonly Sample[]): number {
  const lateness = samples.filter(({ process }) => process === RUNNER).map(({ metrics }) => metrics[LATENESS] ?? 0);
  return lateness.filter((late) => late > STARVED_SECONDS).length / Math.max(1, lateness.length);
}

function list<T>(folder: string, file: string): T[] {
  const path = join(folder, file);
  return existsSync(path) ? readWholeJournal<T>(path) : [];
}

/** Nearest rank; NaN for no values. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}
