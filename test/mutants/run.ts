// `npm run mutants`: searches seeds for each broken build until one finds it out, and says which were not found.
import { mutants } from './mutants.ts';
import { playMutant } from './play-mutant.ts';

const USAGE = 'npm run mutants [-- --seeds 1500] [--only PART-OF-A-NAME]';
const option = (name: string) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const seeds = Number(option('--seeds') ?? 1_500);
if (!Number.isInteger(seeds)) throw new Error(USAGE);
const chosen = mutants.filter(({ name }) => name.includes(option('--only') ?? ''));

let survivors = 0;
for (const { name, world, breaks } of chosen) {
  const found = await playMutant(name, world, 1, seeds).catch((error: unknown) => ({
    seed: Number.NaN,
    message: String(error),
  }));
  if (!found || Number.isNaN(found.seed)) survivors++;
  const verdict = found
    ? `${world} ${found.seed}: ${found.message.slice(0, 90)}`
    : `SURVIVES ${seeds} seeds in ${world}`;
  process.stdout.write(`${breaks.padEnd(14)} ${name}\n${' '.repeat(15)}${verdict}\n`);
}
process.stdout.write(`${chosen.length - survivors} of ${chosen.length} mutants caught\n`);
process.exitCode = survivors === 0 ? 0 : 1;
