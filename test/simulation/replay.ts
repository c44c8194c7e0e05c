// `npm run simulate -- WORLD SEED [COUNT]`: plays seeds and explains the first that is violated.
import { type WorldName, worlds } from './worlds.ts';

const [, , name, first, count = '1'] = process.argv;
const from = Number(first);
const until = from + Number(count);
if (!name || !(name in worlds) || !Number.isInteger(from) || !Number.isInteger(until))
  throw new Error(`npm run simulate -- ${Object.keys(worlds).join('|')} SEED [COUNT]`);
const world = worlds[name as WorldName];

const cpu = process.cpuUsage();
for (let seed = from; seed < until && process.exitCode === undefined; seed++) {
  const { violation } = await world.play(seed);
  if (!violation) continue;
  process.exitCode = 1;
  process.stdout.write(`${await world.explain(seed)}\n`);
}
const { user, system } = process.cpuUsage(cpu);
const took = `${((user + system) / 1_000 / (until - from)).toFixed(1)} ms of CPU a seed`;
process.stdout.write(`${name} ${from} to ${until - 1}: ${process.exitCode ? 'violated' : 'no violation'}, ${took}\n`);
