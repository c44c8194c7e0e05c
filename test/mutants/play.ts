// One child process: plays seeds in a world until one is violated, and prints what it found as JSON.
import { type WorldName, worlds } from '../simulation/worlds.ts';

const [, , , world, first, count] = process.argv;
const found = await search(world as WorldName, Number(first), Number(count));
process.stdout.write(`${JSON.stringify(found)}\n`);

async function search(name: WorldName, from: number, most: number): Promise<{ seed: number; message: string } | null> {
  for (let seed = from; seed < from + most; seed++) {
    const { violation } = await worlds[name].play(seed);
    if (violation) return { seed, message: violation.message };
  }
  return null;
}
