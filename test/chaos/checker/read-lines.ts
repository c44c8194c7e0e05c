// Reads a history's .jsonl files line by line: a file of a gigabyte takes the memory of one line.
import { createReadStream, existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** A history that can't be read as such; says which file and line. */
export class BrokenHistory extends Error {}

/** Each line of `<folder>/<name>` as an object; nothing for a file that is not there. Throws BrokenHistory. */
export async function* readLines<T>(folder: string, name: string): AsyncGenerator<T> {
  const path = join(folder, name);
  if (!existsSync(path)) return;
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Infinity })) {
    number++;
    if (line !== '') yield parse(line, `${name}:${number}`) as T;
  }
}

/** All lines at once, for files that are small. */
export async function readAll<T>(folder: string, name: string): Promise<T[]> {
  const lines: T[] = [];
  for await (const line of readLines<T>(folder, name)) lines.push(line);
  return lines;
}

function parse(line: string, where: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new BrokenHistory(`${where}: ${(error as Error).message}`);
  }
}
