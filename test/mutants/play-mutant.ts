// Starts the child process that plays seeds with a mutant, or with none.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { WorldName } from '../simulation/worlds.ts';

export type Found = { seed: number; message: string } | null;

const path = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** The first violated seed of `count` from `first` on. Rejects when the mutant does not fit the code any more. */
export function playMutant(mutant: string, world: WorldName, first: number, count = 1): Promise<Found> {
  const flags = ['--conditions=source', '--import', path('mutate.ts')];
  const args = [mutant, world, String(first), String(count)];
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [...flags, path('play.ts'), ...args],
      { maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        if (error) reject(new Error(`${mutant}: ${stderr.slice(-2_000)}`, { cause: error }));
        else resolve(JSON.parse(stdout.trim().split('\n').at(-1)!) as Found);
      },
    );
  });
}
