// Detached server processes: start them, recognise them later without doubt, and stop them.
import { execFile, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/**
 * A process as it can be found again: a pid alone is not enough, because the system gives pids out anew.
 * `startedAt` is opaque text that no two processes with the same pid share (Linux: boot id and clock ticks since boot).
 */
export interface ProcessId {
  pid: number;
  startedAt: string;
}

/** How a detached server is started. Its output is appended to `logFile`. */
export interface Launch {
  command: string;
  args: readonly string[];
  cwd: string;
  env?: Readonly<Record<string, string>>;
  logFile: string;
  /** Runs as this user (needs root). */
  user?: { uid: number; gid: number };
}

const LOG_ROTATION_BYTES = 20 * 1024 * 1024;
const POLL_MS = 25;

/** Identity of a running process; null when there is none, or only a zombie that waits for its parent. */
export async function identify(pid: number): Promise<ProcessId | null> {
  const startedAt = process.platform === 'linux' ? startOnLinux(pid) : await startByPs(pid);
  return startedAt === null ? null : { pid, startedAt };
}

export async function isRunning(id: ProcessId): Promise<boolean> {
  return (await identify(id.pid))?.startedAt === id.startedAt;
}

function startOnLinux(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): the name in field 2 may hold spaces and brackets, so fields are counted from the last bracket.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const [state, threads, startedAt] = [fields[0], Number(fields[17]), fields[19]];
    // The first thread may end before the others, which hold the ports and files of the process until they end too.
    if (state === 'X' || (state === 'Z' && threads <= 1)) return null;
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${startedAt}`;
  } catch {
    return null;
  }
}

async function startByPs(pid: number): Promise<string | null> {
  try {
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
    const text = stdout.trim();
    return text === '' || text.startsWith('Z') ? null : text.replace(/^\S+\s+/, '');
  } catch {
    return null;
  }
}

/** Starts a process in a session of its own, so that it outlives this one. Throws when the program can't be run. */
export async function launch(server: Launch): Promise<ProcessId> {
  rotate(server.logFile);
  const log = openSync(server.logFile, 'a');
  try {
    const child = spawn(server.command, server.args, {
      cwd: server.cwd,
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...server.env },
      ...server.user,
    });
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.unref();
    const pid = child.pid!;
    // A process that died at once has no identity any more: this one never matches, so it counts as not running.
    return (await identify(pid)) ?? { pid, startedAt: 'ended' };
  } finally {
    closeSync(log);
  }
}

function rotate(logFile: string): void {
  try {
    if (statSync(logFile).size > LOG_ROTATION_BYTES) renameSync(logFile, `${logFile}.1`);
  } catch {
    // No log yet.
  }
}

/**
 * Asks the process to end, and kills it when it has not ended after `graceMs`.
 * A process that only shares the pid is left alone.
 */
export async function stop(id: ProcessId, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  await send(id, signal);
  if (await ended(id, graceMs)) return;
  await send(id, 'SIGKILL');
  if (!(await ended(id, 5_000))) throw new Error(`process ${id.pid} does not end, not even by SIGKILL`);
}

async function send(id: ProcessId, signal: NodeJS.Signals): Promise<void> {
  if (!(await isRunning(id))) return;
  try {
    process.kill(id.pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

async function ended(id: ProcessId, withinMs: number): Promise<boolean> {
  const until = performance.now() + withinMs;
  while (await isRunning(id)) {
    if (performance.now() > until) return false;
    await delay(POLL_MS);
  }
  return true;
}

/** Reads a pid file: null when there is none, or it is cut off (the writer was killed). */
export function readPidFile(file: string): ProcessId | null {
  try {
    const id = JSON.parse(readFileSync(file, 'utf8')) as Partial<ProcessId>;
    return Number.isInteger(id.pid) && typeof id.startedAt === 'string' ? (id as ProcessId) : null;
  } catch {
    return null;
  }
}

export function writePidFile(file: string, id: ProcessId): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(id)}\n`);
  renameSync(`${file}.new`, file);
}

export function removePidFile(file: string): void {
  rmSync(file, { force: true });
}

/**
 * Processes whose command line has `argument` as one of its words: finds servers whose pid file was lost
 * (the starter was killed between the two steps, or somebody removed the folder). Linux only; elsewhere none are found.
 */
export async function findByArgument(argument: string): Promise<ProcessId[]> {
  if (process.platform !== 'linux') return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  const found = pids.filter((pid) => commandLine(Number(pid)).includes(argument));
  const ids = await Promise.all(found.map((pid) => identify(Number(pid))));
  return ids.filter((id) => id !== null);
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}
