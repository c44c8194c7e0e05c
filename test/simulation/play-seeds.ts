// Many seeds of all worlds, shared by two test files so that two processors have something to do.
import { Violation } from '#clock';
import { type WorldName, worlds } from './worlds.ts';

/** 10,000 in all. A seed of the whole takes seven times as long as one of the relays alone. */
const SEEDS: Record<WorldName, number> = { everyday: 4_500, crowd: 1_500, relays: 2_500, whole: 1_500 };
const TELL_EVERY_MS = 5_000;

/** Every second seed, from `half` (1 or 2) on. Throws a Violation with the trace of the first that fails. Returns how many it played. */
export async function playHalf(half: 1 | 2): Promise<number> {
  const all = Object.values(SEEDS).reduce((sum, seeds) => sum + seeds, 0) / 2;
  let played = 0;
  let tellAt = performance.now() + TELL_EVERY_MS;
  for (const [name, seeds] of Object.entries(SEEDS) as [WorldName, number][]) {
    for (let seed = half; seed <= seeds; seed += 2) {
      await playOne(name, seed);
      played++;
      if (performance.now() < tellAt) continue;
      tellAt = performance.now() + TELL_EVERY_MS;
      process.stdout.write(`simulation ${half}/2: ${played} of ${all} seeds, no violation\n`);
    }
  }
  return played;
}

/** Throws a Violation with the smallest trace, and how to see it again. */
export async function playOne(name: WorldName, seed: number): Promise<void> {
  const { violation } = await worlds[name].play(seed);
  if (violation) throw new Violation(`npm run simulate -- ${name} ${seed}\n${await worlds[name].explain(seed)}`);
}
