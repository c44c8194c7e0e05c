// Every deliberately broken build is found out by its seed, and the build as it is keeps its promises in all of them.
import { describe, expect, it } from 'vitest';
import { playOne } from '../simulation/play-seeds.ts';
import { mutants } from './mutants.ts';
import { playMutant } from './play-mutant.ts';

describe('a mutant', () => {
  it.concurrent.each(mutants.map((mutant) => [mutant.name, mutant] as const))(
    'is found out: %s',
    { timeout: 120_000 },
    async (name, { world, seed }) => {
      const hint = `not by ${world} ${seed} any more: npm run mutants -- --only '${name}' looks for another seed`;
      expect(await playMutant(name, world, seed), hint).toMatchObject({ seed });
    },
  );

  it('that fits the code no more is an error', { timeout: 60_000 }, async () => {
    await expect(playMutant('no such mutant', 'relays', 1)).rejects.toThrow(/there is no mutant/);
  });

  it('has a name of its own', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
  });
});

describe('the build as it is', () => {
  it('keeps its promises in the seeds that find the mutants out', { timeout: 120_000 }, async () => {
    const seeds = new Set(mutants.map(({ world, seed }) => `${world} ${seed}`));
    for (const key of seeds) {
      const [world, seed] = key.split(' ') as [(typeof mutants)[number]['world'], string];
      await playOne(world, Number(seed));
    }
  });
});
