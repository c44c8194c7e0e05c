// Life and death of a throwaway stack: repaired after kill -9 of its servers, gone after kill -9 of its owner.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { stackStatus, startStack } from '../../../deploy/local/index.ts';
import { until } from './until.ts';

const MODULE = new URL('stack.ts', import.meta.url).href;
const PROGRAM = `
  const { startThrowawayStack } = await import(${JSON.stringify(MODULE)});
  const stack = await startThrowawayStack();
  console.log('dir ' + stack.dir);
  setInterval(() => {}, 60_000);
`;

// A process of its own takes the part of the test runner, so that it can be killed.
const owner = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', PROGRAM], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
afterAll(() => owner.kill('SIGKILL'));

let dir: string;
// Four minutes here and below: beyond the bounds of the stack itself, which says what is wrong. A start takes 8 s, on one busy core 50 s.
beforeAll(async () => {
  dir = await new Promise((resolve, reject) => {
    createInterface({ input: owner.stdout }).on('line', (line) => line.startsWith('dir ') && resolve(line.slice(4)));
    owner.once('exit', (code) => reject(new Error(`the owner ended with code ${code}`)));
  });
}, 240_000);

it('starts again what was killed, on the same ports and with the committed data', async () => {
  const before = await stackStatus(dir);
  await query(before.addresses!.DATABASE_URL, 'create table kept as select 7 as n');
  for (const part of before.parts) process.kill(part.pid!, 'SIGKILL');
  expect(await startStack({ dir })).toEqual(before.addresses);
  const after = await stackStatus(dir);
  expect(after.parts.map(({ name, state, port }) => ({ name, state, port }))).toEqual(
    before.parts.map(({ name, port }) => ({ name, state: 'ready', port })),
  );
  expect(await query(before.addresses!.DATABASE_URL, 'select n from kept')).toEqual([{ n: 7 }]);
}, 240_000);

it('leaves alone what runs', async () => {
  const before = await stackStatus(dir);
  await startStack({ dir });
  expect(await stackStatus(dir)).toEqual(before);
});

it('leaves no process and no file behind when its owner is killed', async () => {
  expect(processesOf(dir)).not.toEqual([]);
  owner.kill('SIGKILL');
  await until(() => !existsSync(dir), { withinMs: 20_000, what: `${dir} to go away` });
  await until(() => processesOf(dir).length === 0, { withinMs: 5_000, what: 'all servers to end' });
});

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    return (await client.query(sql)).rows;
  } finally {
    await client.end();
  }
}

/** Everything that works in the folder or has it on its command line, PostgreSQL's children too. */
function processesOf(folder: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    try {
      if (!/^\d+$/.test(pid)) return false;
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return command.includes(folder) || readlinkSync(`/proc/${pid}/cwd`).startsWith(folder);
    } catch {
      return false;
    }
  });
}
