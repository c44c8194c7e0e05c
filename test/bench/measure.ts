// One measurement: writes a load, waits until all of it has arrived, and says what happened and what it cost.
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import type { Deployment } from './deployment.ts';
import { monotonicMs, moodOf, streamOf } from './load.ts';
import type { Role } from './processes.ts';
import type { Receiver, Verdict } from './receiver.ts';
import { median, percentiles, perSecond, rounded } from './statistics.ts';
import { UsageMonitor, type Watched } from './usage.ts';
import type { WritePlan, Writer, Written } from './writer.ts';

export interface Crew {
  writer: Role<Writer>;
  receiver: Role<Receiver>;
  /** http://127.0.0.1:port */
  receiverOrigin: string;
  serverProcesses: readonly Watched[];
  signal: AbortSignal;
  onProgress: (line: string) => void;
}

export type Load = Omit<WritePlan, 'databaseUrl' | 'run'> & {
  receiverDelayMs: number;
  failureShare: number;
  disturbed: boolean;
};

const POLL_MS = 250;
const PROGRESS_MS = 5_000;
/** Whoever takes longer than this for each event, and a while for the rest, is not measured to the end. */
const MOST_MS_PER_EVENT = 20;
const GRACE_MS = 120_000;
/** Longer than the longest pause between two attempts of one event (30 s) with the longest attempt (30 s). */
const STALLED_MS = 75_000;
/** Until the last answers are flushed: their cost belongs to the run, and late duplicates would show. */
const SETTLE_MS = 1_000;

let runs = 0;

export async function measure(deployment: Deployment, crew: Crew, load: Load) {
  const run = ++runs;
  const path = `/run/${run}`;
  await deployment.createEndpoints(run, crew.receiverOrigin + path);
  const { events, streams, receiverDelayMs: delayMs, failureShare, disturbed } = load;
  await crew.receiver.call('expect', { path, events, streams, delayMs, failureShare, disturbed });
  const before = await deployment.counters();
  using monitor = new UsageMonitor(watchedBy(deployment, crew));
  const writing = crew.writer.call('write', { ...load, databaseUrl: deployment.databaseUrl, run });
  writing.catch(() => undefined); // Awaited below, when the waiting has ended, perhaps by another fault.
  await allArrived(deployment, crew, load, writing);
  const usage = monitor.finish(events, availableParallelism());
  const counters = difference(before, await deployment.counters());
  const [written, verdict] = [await writing, await crew.receiver.call('verdict', null)];
  return { ...summary(load, written, verdict), recorded: await deployment.recorded(run), counters, usage };
}

export type Measured = Awaited<ReturnType<typeof measure>>;

function watchedBy(deployment: Deployment, { writer, receiver, serverProcesses }: Crew): Watched[] {
  const own = [writer, receiver].map(({ name, pid }) => ({ name, pid }));
  return [...deployment.watched, ...serverProcesses, ...own, { name: 'bench', pid: process.pid }];
}

/** Ends when everything has arrived, or when nothing more arrives: what is missing then counts as lost. */
async function allArrived(deployment: Deployment, crew: Crew, load: Load, writing: Promise<Written>): Promise<void> {
  let [delivered, changedAt, toldAt] = [0, monotonicMs(), monotonicMs()];
  const writer: { isDone: boolean; fault?: Error } = { isDone: false };
  writing.then(
    () => (writer.isDone = true),
    (error: unknown) => (writer.fault = error instanceof Error ? error : new Error(String(error))),
  );
  let isDisturbed = load.disturbed;
  const writesForMs = load.rate === null ? 0 : (load.events * 1_000) / load.rate;
  const deadline = monotonicMs() + GRACE_MS + writesForMs + load.events * MOST_MS_PER_EVENT;
  while (delivered < load.events && monotonicMs() - changedAt < STALLED_MS) {
    if (monotonicMs() > deadline) throw new Error(`too slow: ${delivered} of ${load.events} events delivered`);
    await delay(POLL_MS, undefined, { signal: crew.signal });
    deployment.assertRunning();
    if (writer.fault) throw writer.fault;
    if (isDisturbed && writer.isDone) {
      // The healthy ones get a moment to arrive; then the others shall arrive as well.
      await delay(2_000, undefined, { signal: crew.signal });
      await crew.receiver.call('heal', null);
      isDisturbed = false;
    }
    const count = await crew.receiver.call('delivered', null);
    if (count > delivered || !writer.isDone) changedAt = monotonicMs();
    delivered = count;
    if (monotonicMs() - toldAt < PROGRESS_MS) continue;
    toldAt = monotonicMs();
    crew.onProgress(`  ${delivered} of ${load.events} delivered`);
  }
  await delay(SETTLE_MS, undefined, { signal: crew.signal });
}

function summary(load: Load, written: Written, verdict: Verdict) {
  const { firstPublishAt, lastCommitAt, committedAt } = written;
  const { arrivedAt, delivered, requests, refused, orderViolations, duplicates, repeatedAttempts, phantoms } = verdict;
  const arrivals = arrivedAt.filter((at) => at > 0);
  const lastArrivalAt = arrivals.reduce((latest, at) => Math.max(latest, at), 0);
  const rates = perSecond(arrivals, firstPublishAt, lastArrivalAt);
  return {
    events: load.events,
    streams: load.streams,
    batch: load.batch,
    perSecond: rounded((delivered * 1_000) / (lastArrivalAt - firstPublishAt)),
    medianPerSecond: rounded(median(rates)),
    eachSecond: rates,
    seconds: rounded((lastArrivalAt - firstPublishAt) / 1_000, 2),
    writtenPerSecond: rounded((load.events * 1_000) / (lastCommitAt - firstPublishAt)),
    latencyMs: percentiles(latencies(load, committedAt, arrivedAt)),
    orderViolations,
    losses: load.events - delivered,
    duplicates,
    repeatedAttempts,
    phantoms,
    requests,
    refused,
  };
}

function difference(before: Map<string, number>, after: Map<string, number>): Record<string, number> {
  const grown = [...after].map(([name, count]) => [name, count - (before.get(name) ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, count]) => count > 0));
}

/** Commit to arrival, of the streams that are healthy throughout. */
function* latencies(load: Load, committedAt: Float64Array, arrivedAt: Float64Array): Generator<number> {
  for (let event = 0; event < load.events; event++) {
    const isHealthy = !load.disturbed || moodOf(streamOf(event, load.streams)) === 'healthy';
    if (isHealthy && arrivedAt[event]! > 0) yield arrivedAt[event]! - committedAt[event]!;
  }
}
