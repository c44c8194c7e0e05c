// Recognising processes: pids are reused, zombies are not alive, foreign processes stay untouched.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { until } from '#testkit';
import { findByArgument, identify, isRunning, launch, readPidFile, stop, writePidFile } from './processes.ts';
import type { ProcessId } from './processes.ts';

let dir: string;
let started: ProcessId[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'waybill-processes-'));
});
afterEach(async () => {
  for (const id of started) await stop(id, 'SIGKILL', 1_000);
  started = [];
  rmSync(dir, { recursive: true });
});

async function start(script: string): Promise<ProcessId> {
  const args = ['-c', script];
  const id = await launch({ command: 'sh', args, cwd: dir, env: { GREETING: 'hi' }, logFile: join(dir, 'log') });
  started.push(id);
  return id;
}

function log(): string {
  return readFileSync(join(dir, 'log'), 'utf8');
}

it('starts a process that can be recognised, and stops it', async () => {
  const id = await start('echo $GREETING; exec sleep 60');
  expect(await isRunning(id)).toBe(true);
  expect(await identify(id.pid)).toEqual(id);
  await until(() => log() === 'hi\n', { withinMs: 5_000, what: 'its output' });
  await stop(id, 'SIGTERM', 5_000);
  expect(await isRunning(id)).toBe(false);
});

// A server that was just killed: its first thread is a zombie while the others still hold its ports.
it.runIf(process.platform === 'linux')('takes a process for running until its last thread has ended', async () => {
  const threads = `
import ctypes, threading, time
threading.Thread(target=lambda: time.sleep(60)).start()
ctypes.CDLL(None).pthread_exit(None)`;
  const id = await start(`exec python3 -c '${threads}'`);
  await until(() => stateOf(id.pid) === 'Z', { withinMs: 5_000, what: 'its first thread to end' });
  expect(await isRunning(id)).toBe(true);
  await stop(id, 'SIGKILL', 5_000);
  expect(await isRunning(id)).toBe(false);
});

function stateOf(pid: number): string {
  return /^State:\t(\w)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]!;
}

it('leaves a process alone that only has the same pid', async () => {
  const id = await start('exec sleep 60');
  await stop({ pid: id.pid, startedAt: 'another boot/1' }, 'SIGKILL', 1_000);
  expect(await isRunning(id)).toBe(true);
});

it('kills what does not listen', async () => {
  const id = await start('trap "" TERM; echo ready; while true; do sleep 0.05; done');
  await until(() => log() === 'ready\n', { withinMs: 5_000, what: 'its trap' });
  await stop(id, 'SIGTERM', 50);
  expect(await isRunning(id)).toBe(false);
});

it('finds a process by a word of its command line', async () => {
  const word = join(dir, 'server.properties');
  const args = ['-e', 'setTimeout(() => {}, 60_000)', word];
  const id = await launch({ command: process.execPath, args, cwd: dir, logFile: join(dir, 'log') });
  started.push(id);
  expect(await findByArgument(word)).toEqual(process.platform === 'linux' ? [id] : []);
  expect(await findByArgument(join(dir, 'server'))).toEqual([]);
});

it('reads back a pid file, and takes a torn one for none', async () => {
  const id = (await identify(process.pid))!;
  const file = join(dir, 'x.pid');
  expect(readPidFile(file)).toBeNull();
  writePidFile(file, id);
  expect(readPidFile(file)).toEqual(id);
  writeFileSync(file, '{"pid":12');
  expect(readPidFile(file)).toBeNull();
});

it('says that a program is missing', async () => {
  await expect(
    launch({ command: '/no/such/program', args: [], cwd: dir, logFile: join(dir, 'log') }),
  ).rejects.toMatchObject({ code: 'ENOENT' });
});
