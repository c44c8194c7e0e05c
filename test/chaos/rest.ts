// The end of a run: everything is healed, every receiver accepts, and each committed event has to reach a terminal state.
import { setTimeout as delay } from 'node:timers/promises';
import { releaseAll } from './operator.ts';
import type { World } from './world.ts';

const STOP_WITHIN_MS = 40_000;

export interface Unfinished {
  /** Deliveries that the committed events ask for, and those that have reached a terminal state. */
  wanted: number;
  terminal: number;
}

/** Starts what does not run, and takes every obstacle away. */
export async function heal(world: World): Promise<void> {
  world.network.heal();
  const servers = ['postgres', 'registry', ...world.cluster.brokers];
  await Promise.all(servers.map((name) => world.cluster.signal(name, 'SIGCONT')));
  await Promise.all(servers.map((name) => world.cluster.start(name)));
  for (const service of world.residents) {
    if (service.isRunning) service.signal('SIGCONT');
    else service.start();
  }
  await world.receiver.call('accept', true);
}

/** When everything had come to rest, or null when that took longer than `withinMs`. */
export async function comeToRest(world: World, withinMs: number, onProgress: (line: string) => void) {
  const deadline = performance.now() + withinMs;
  for (let round = 0; performance.now() < deadline; round++) {
    await releaseAll(world.api);
    const { wanted, terminal } = await unfinished(world);
    if (wanted === terminal) return Date.now();
    if (round % 5 === 0) onProgress(`coming to rest: ${wanted - terminal} of ${wanted} deliveries to go`);
    await delay(2_000);
  }
  return null;
}

export async function unfinished({ pool }: World): Promise<Unfinished> {
  const { rows } = await pool.query<Unfinished>(
    `SELECT (SELECT coalesce(sum(json_array_length(targets)), 0) FROM outbox.event) AS wanted,
            (SELECT count(*) FROM waybill.delivery_history) AS terminal`,
  );
  return rows[0]!;
}

/** SIGTERM to all. The instant at which the last had ended with code 0, or null when one ended otherwise. */
export async function stopServices(world: World, onProgress: (line: string) => void): Promise<number | null> {
  const running = [...world.services.values()].filter((service) => service.isRunning);
  const ends = await Promise.all(running.map((service) => service.terminate(STOP_WITHIN_MS)));
  for (const [index, how] of ends.entries()) {
    if (how !== 'code 0') onProgress(`${running[index]!.name} ended with ${how} at SIGTERM`);
  }
  return ends.every((how) => how === 'code 0') ? Date.now() : null;
}
