// One run, step by step: build the world, let it work and break, bring it to rest, write its history down.
import { setTimeout as delay } from 'node:timers/promises';
import { completeHistory } from './complete-history.ts';
import { dumpApi, dumpTables, dumpTopics } from './dump.ts';
import { faultKinds } from './kinds/index.ts';
import { Faults } from './faults.ts';
import { Operator } from './operator.ts';
import type { RunOptions } from './options.ts';
import { phasesOf, planFaults } from './plan.ts';
import { comeToRest, heal, stopServices } from './rest.ts';
import { Sampler } from './sampler.ts';
import { World } from './world.ts';

const PROGRESS_EVERY_MS = 10_000;
const REST_WITHIN_MS = 240_000;
/** After the last fault the load goes on for a moment: its recovery has to be seen. */
const AFTERMATH_MS = 15_000;

export interface RunContext {
  folder: string;
  signal: AbortSignal;
  cleanup: AsyncDisposableStack;
  onProgress(line: string): void;
}

export async function run(options: RunOptions, context: RunContext): Promise<void> {
  const { folder, onProgress } = context;
  const world = await World.create(options, folder, context);
  await world.settle();
  const startedAt = Date.now();
  const sampler = new Sampler(world);
  const faults = await workAndBreak(world, startedAt, onProgress);
  onProgress('the load has ended; everything is healed, every receiver accepts');
  await heal(world);
  const quiescedAt = await comeToRest(world, REST_WITHIN_MS, onProgress);
  if (quiescedAt === null) onProgress(`not everything came to rest within ${REST_WITHIN_MS / 1_000} s`);
  await dumpApi(world);
  await sampler.stop();
  const shutDownCleanlyAt = await stopServices(world, onProgress);
  await world.receiver.call('finish', null);
  onProgress('writing the history down');
  await dumpTables(world);
  await dumpTopics(world);
  await completeHistory(world, faults.records, { startedAt, quiescedAt, shutDownCleanlyAt });
}

/** The load from beginning to end, with the phases of the plan. Resolves to the faults that happened, all of them healed. */
async function workAndBreak(world: World, startedAt: number, onProgress: (line: string) => void): Promise<Faults> {
  const { seed, minutes } = world.options;
  const runMs = minutes * 60_000;
  const { moodyAfterMs, faultsAfterMs, stormAfterMs } = phasesOf(runMs);
  const faults = new Faults(world);
  await world.startWriter();
  const operator = new Operator(world.api, seed);
  const stopProgress = showProgress(world, faults, onProgress);
  await until(startedAt + moodyAfterMs);
  await world.receiver.call('accept', false);
  onProgress('from here on receivers fail, hang and cut');
  await until(startedAt + faultsAfterMs);
  onProgress('from here on faults happen');
  const plan = planFaults(faultKinds(world.options), runMs, seed);
  await faults.run(plan, { stormAt: startedAt + stormAfterMs, endsAt: startedAt + runMs }, onProgress);
  await delay(AFTERMATH_MS);
  stopProgress();
  await world.writer.call('stop', null);
  await operator.stop();
  return faults;
}

const until = (at: number) => delay(Math.max(0, at - Date.now()));

function showProgress(world: World, faults: Faults, onProgress: (line: string) => void): () => void {
  const timer = setInterval(() => {
    const now = [...faults.active.values()].join('; ');
    void Promise.all([world.writer.call('committed', null), world.receiver.call('arrived', null)]).then(
      ([committed, arrived]) =>
        onProgress(
          `${committed} events committed, ${arrived} requests received, ${faults.records.length} faults${now && `; now ${now}`}`,
        ),
      () => undefined, // One of the two has ended: the run says so where it needs it.
    );
  }, PROGRESS_EVERY_MS);
  return () => clearInterval(timer);
}
