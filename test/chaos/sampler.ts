// Every few seconds: is each process ready, what does it use, what do its metrics say; and has the machine time for all of it.
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Sample } from './checker/history.ts';
import { usageOf } from './fleet.ts';
import { Journal } from './journal.ts';
import { StallWatch } from './stall-watch.ts';
import type { World } from './world.ts';

const SAMPLE_EVERY_MS = 5_000;
/** The runner among the processes. */
export const RUNNER = 'runner';
/** How late its timers came at most since the last sample: a machine that others use leaves nobody enough time. */
export const LATENESS = 'chaos_timer_lateness_seconds';

export class Sampler {
  readonly #world: World;
  readonly #journal: Journal;
  readonly #timer: NodeJS.Timeout;
  readonly #stallWatch: StallWatch;
  readonly #lateness = monitorEventLoopDelay({ resolution: 10 });
  #running: Promise<void> = Promise.resolve();

  constructor(world: World) {
    this.#world = world;
    this.#journal = new Journal(join(world.folder, 'samples.jsonl'));
    this.#stallWatch = new StallWatch(world.folder);
    this.#lateness.enable();
    this.#timer = setInterval(() => {
      this.#running = this.#take();
    }, SAMPLE_EVERY_MS);
  }

  /** The last samples are taken now: what each process counted up to its end. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#running;
    await this.#take();
    this.#lateness.disable();
    this.#stallWatch[Symbol.dispose]();
    this.#journal[Symbol.dispose]();
  }

  async #take(): Promise<void> {
    const samples = await Promise.all([...this.#world.services.values()].map((service) => service.sample()));
    for (const sample of [...samples, this.#ownSample()]) if (sample !== null) this.#journal.append(sample);
  }

  #ownSample(): Sample | null {
    const metrics = { [LATENESS]: this.#lateness.max / 1e9 };
    this.#lateness.reset();
    const usage = usageOf(process.pid);
    return usage && { at: Date.now(), process: RUNNER, pid: process.pid, ready: true, ...usage, metrics };
  }
}
