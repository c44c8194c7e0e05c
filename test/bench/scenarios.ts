// What is measured, and in which order.
import { availableParallelism } from 'node:os';
import { Deployment } from './deployment.ts';
import { type Crew, type Load, measure, type Measured } from './measure.ts';
import type { Options, Scenario } from './options.ts';
import type { Role } from './processes.ts';
import type { Servers } from './servers.ts';
import { median, rounded } from './statistics.ts';
import { UsageMonitor } from './usage.ts';
import type { Yardstick } from './yardstick.ts';

export interface Bench {
  options: Options;
  servers: Servers;
  crew: Crew;
  cleanup: AsyncDisposableStack;
}

type RateOf = { perSecond: number };
export interface Results {
  throughput?: Measured;
  'slow-receiver'?: Measured;
  latency?: Measured;
  isolation?: Isolation;
  memory?: Measured;
}
export interface Isolation {
  maxPerSecond: number;
  at200: Comparison;
  atHalf: Comparison;
}
interface Comparison {
  rate: number;
  pairs: Pair[];
  /** The median of the pairs'. */
  p99Ratio: number;
}
interface Pair {
  undisturbed: Measured;
  disturbed: Measured;
  p99Ratio: number;
}

export async function runScenario(scenario: Scenario, bench: Bench, results: Results): Promise<void> {
  bench.crew.onProgress(`${scenario}: starting a fresh relay and consumer`);
  await using deployment = await Deployment.start(bench.servers, bench.options, {
    name: scenario,
    cleanup: bench.cleanup,
  });
  const run = (load: Partial<Load>) => measure(deployment, bench.crew, loadOf(bench.options, load));
  await warmUp(run, bench);
  if (scenario === 'isolation') results.isolation = await isolation(run, bench, results.throughput);
  else {
    bench.crew.onProgress(`${scenario}: measuring`);
    results[scenario] = await run(LOADS[scenario](bench.options));
  }
}

/** The loads of the simple scenarios; what the command line says comes first. */
const LOADS: Record<Exclude<Scenario, 'isolation'>, (options: Options) => Partial<Load>> = {
  throughput: () => ({}),
  'slow-receiver': ({ receiverDelayMs }) => ({ receiverDelayMs: receiverDelayMs || 50 }),
  latency: (options) => steady(options, options.rate),
  memory: ({ events = 200_000, streams = 100_000 }) => ({ events, streams }),
};

function loadOf(options: Options, load: Partial<Load>): Load {
  const {
    events = 40_000,
    streams = 1_000,
    endpoints,
    batch = 50,
    payloadBytes,
    connections,
    receiverDelayMs,
    failureShare,
  } = options;
  const base = { events, streams, payloadBytes, batch, connections, receiverDelayMs, failureShare };
  return { ...base, tenants: endpoints, rate: null, disturbed: false, ...load };
}

/** A fixed rate, each event in a transaction of its own unless there are too many for that on a small machine. */
function steady({ seconds, batch }: Options, rate: number): Partial<Load> {
  return { rate, events: Math.round(rate * seconds), batch: batch ?? (rate <= 500 ? 1 : 10) };
}

/** Compiled code, warm connections and a warm database, as in a process that has run for a while. As many for the yardstick. */
const WARM_UP_EVENTS = 15_000;

async function warmUp(run: (load: Partial<Load>) => Promise<Measured>, { crew }: Bench): Promise<void> {
  crew.onProgress('warming up');
  await run({ events: WARM_UP_EVENTS, streams: 1_000, receiverDelayMs: 0, failureShare: 0 });
}

/** One stall of the machine in a pair decides its p99. */
const PAIRS = 3;

/** Healthy streams with and without bad ones at the same endpoint: at the fixed rate, and at half of what was possible. */
async function isolation(
  run: (load: Partial<Load>) => Promise<Measured>,
  { options, crew }: Bench,
  known: RateOf | undefined,
): Promise<Isolation> {
  const seconds = Math.ceil(options.seconds / 2);
  const measured = async (rate: number, disturbed: boolean) => {
    crew.onProgress(`isolation: ${rate}/s, ${disturbed ? '1 % of the streams fail, 1 % hang' : 'undisturbed'}`);
    return run({ ...steady({ ...options, seconds }, rate), disturbed });
  };
  const compared = async (rate: number): Promise<Comparison> => {
    const pairs: Pair[] = [];
    for (let n = 0; n < PAIRS; n++) {
      const [undisturbed, disturbed] = [await measured(rate, false), await measured(rate, true)];
      const p99Ratio = rounded(disturbed.latencyMs.p99 / undisturbed.latencyMs.p99, 2);
      pairs.push({ undisturbed, disturbed, p99Ratio });
    }
    return { rate, pairs, p99Ratio: median(pairs.map(({ p99Ratio }) => p99Ratio)) };
  };
  if (known === undefined) crew.onProgress('isolation: looking for the maximum');
  const { perSecond: maxPerSecond } = known ?? (await run({}));
  return {
    maxPerSecond,
    at200: await compared(options.rate),
    atHalf: await compared(Math.round(maxPerSecond / 2)),
  };
}

export interface YardstickRun {
  perSecond: number;
  /** Of the loop and the receiver together. */
  cpuMicrosPerRequest: number;
  machineBusyShare: number;
  watchedBusyShare: number;
}

const YARDSTICK = { streams: 1_000, inFlight: 100 };

/** Alone, warmed up, best of three. */
export async function runYardstick(yardstick: Role<Yardstick>, { crew, options }: Bench) {
  crew.onProgress('yardstick: a bare undici loop to the same receiver');
  const runs: YardstickRun[] = [];
  for (const requests of [WARM_UP_EVENTS, 40_000, 40_000, 40_000]) {
    const path = '/yardstick';
    const nothingSpecial = { delayMs: 0, failureShare: 0, disturbed: false };
    await crew.receiver.call('expect', { path, events: requests, streams: YARDSTICK.streams, ...nothingSpecial });
    const plan = { ...YARDSTICK, path, requests, origin: crew.receiverOrigin, payloadBytes: options.payloadBytes };
    using monitor = new UsageMonitor([yardstick, crew.receiver].map(({ name, pid }) => ({ name, pid })));
    const perSecond = rounded(await yardstick.call('post', plan));
    const { cpuMicrosPerEvent, machineBusyShare, watchedBusyShare } = monitor.finish(requests, availableParallelism());
    runs.push({ perSecond, cpuMicrosPerRequest: cpuMicrosPerEvent, machineBusyShare, watchedBusyShare });
  }
  const [, ...measured] = runs;
  const best = measured.toSorted((a, b) => b.perSecond - a.perSecond)[0]!;
  return { ...best, runs: measured.map((run) => run.perSecond), inFlight: YARDSTICK.inFlight };
}
