// What a kind of fault is, and what all of them use.
import type { Random } from '#clock';
import type { World } from '../world.ts';

export interface FaultKind {
  /** Of the fault matrix. */
  row: string;
  kind: string;
  /** How often it comes, beside the others. */
  weight: number;
  targets: readonly string[];
  /** No two faults at once on one of these. Default: the target alone. */
  needs?: (target: string) => string[];
  /** Recovery is counted from its beginning (others take over), or from its end (nothing can go on before). Default: its end. */
  recovery?: 'began';
  /** Events flow on meanwhile. */
  isHarmless?: boolean;
  /** No duplicate may come of it. */
  isClean?: boolean;
  /** Does harm, waits, and heals. Resolves to what it did, in a few words. */
  run(world: World, target: string, random: Random): Promise<string>;
}

/** After which one that waits for a process gives up. */
export const BOUND_MS = 40_000;
export const RELAYS = ['relay-1', 'relay-2'];
export const CONSUMERS = ['consumer-1', 'consumer-2'];

export const between = (random: Random, least: number, most: number) => Math.round(least + random() * (most - least));
export const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

/** Starts a service and says how long it took until it was ready. */
export async function restarted(world: World, name: string): Promise<string> {
  const service = world.service(name);
  const startedAt = performance.now();
  service.start();
  const isReady = await service.ready(BOUND_MS);
  return isReady ? `ready after ${seconds(performance.now() - startedAt)}` : `not ready within ${seconds(BOUND_MS)}`;
}

/** What a fault of the way between one process and PostgreSQL is called, and needs alone. */
export const wayToDatabase = (client: string) => `${client}-database`;
