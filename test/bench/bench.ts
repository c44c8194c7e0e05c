// npm run bench: Waybill's figures on this machine, beside a bare HTTP loop. Progress on stderr, one JSON object on stdout.
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { StackError } from '../../deploy/local/index.ts';
import { figuresOf, warningsOf } from './figures.ts';
import { checkPayloads, monotonicMs } from './load.ts';
import type { Crew } from './measure.ts';
import { type Options, readOptions, UsageError } from './options.ts';
import { Role } from './processes.ts';
import type { Receiver } from './receiver.ts';
import { type Bench, type Results, runScenario, runYardstick } from './scenarios.ts';
import { checkSettings, openServers, type Servers } from './servers.ts';
import { rounded } from './statistics.ts';
import type { Writer } from './writer.ts';
import type { Yardstick } from './yardstick.ts';

class Stopped extends Error {}

const startedAt = monotonicMs();
const onProgress = (line: string) =>
  console.error(`${((monotonicMs() - startedAt) / 1_000).toFixed(1).padStart(6)} s  ${line}`);

async function bench(options: Options, signal: AbortSignal, cleanup: AsyncDisposableStack) {
  checkPayloads(options.payloadBytes);
  const servers = await openServers({ ...options, signal, onProgress }, cleanup);
  const settings = await checkSettings(servers);
  const bench: Bench = { options, servers, cleanup, crew: await startCrew(servers, signal, cleanup) };
  const yardstick = await yardstickAlone(bench);
  const results: Results = {};
  for (const scenario of options.scenarios) await runScenario(scenario, bench, results);
  const ratio = results.throughput ? rounded(results.throughput.perSecond / yardstick.perSecond, 3) : null;
  const figures = figuresOf(results, yardstick.perSecond);
  return {
    ratio,
    figures,
    warnings: servers.watched.length > 0 ? warningsOf(results, yardstick) : [],
    yardstick,
    ...results,
    machine: machine(),
    settings,
    options,
  };
}

async function startCrew(servers: Servers, signal: AbortSignal, cleanup: AsyncDisposableStack): Promise<Crew> {
  const writer = cleanup.use(new Role<Writer>('writer', new URL('writer.ts', import.meta.url)));
  const receiver = cleanup.use(new Role<Receiver>('receiver', new URL('receiver.ts', import.meta.url)));
  const receiverOrigin = `http://127.0.0.1:${await receiver.call('listen', null)}`;
  return { writer, receiver, receiverOrigin, serverProcesses: servers.watched, signal, onProgress };
}

async function yardstickAlone(bench: Bench) {
  await using yardstick = bench.cleanup.use(new Role<Yardstick>('yardstick', new URL('yardstick.ts', import.meta.url)));
  return await runYardstick(yardstick, bench);
}

const machine = () => ({
  cores: availableParallelism(),
  cpu: cpus()[0]?.model ?? 'unknown',
  memoryGb: rounded(totalmem() / 2 ** 30, 1),
  kernel: release(),
  node: process.version,
});

/** Resolves with the work, or rejects at the first Ctrl-C; either way everything that was started is ended before it settles. */
async function ended<T>(work: (signal: AbortSignal, cleanup: AsyncDisposableStack) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const stopped = new Promise<never>((_resolve, reject) => {
    stopping.signal.addEventListener('abort', () => reject(stopping.signal.reason as Error));
  });
  const onSignal = (name: string) => stopping.abort(new Stopped(`stopped by ${name}`));
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, onSignal);
  await using cleanup = new AsyncDisposableStack();
  return await Promise.race([work(stopping.signal, cleanup), stopped]);
}

try {
  const options = readOptions(process.argv.slice(2));
  const result = await ended((signal, cleanup) => bench(options, signal, cleanup));
  for (const { figure, measured, wanted, met } of result.figures)
    onProgress(`${met ? 'met ' : 'MISS'}  ${figure}: ${measured} (${wanted})`);
  for (const warning of result.warnings) onProgress(`warning: ${warning}`);
  console.log(JSON.stringify(result));
} catch (error) {
  const isOurs = error instanceof UsageError || error instanceof Stopped || error instanceof StackError;
  console.error(isOurs ? error.message : error);
  process.exitCode = error instanceof UsageError ? 2 : error instanceof Stopped ? 130 : 1;
}
