// One server of the stack: adopt it when it runs, start it when it does not, wait until it really answers.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { StackError } from './errors.ts';
import { findByArgument, isRunning, launch, readPidFile, removePidFile, stop, writePidFile } from './processes.ts';
import type { Launch, ProcessId } from './processes.ts';

/** What the stack needs to know about a server; postgres.ts, kafka.ts and registry.ts each make theirs. */
export interface Part {
  /** Name of its pid file and log file, e.g. `kafka-1`. */
  name: string;
  port: number;
  /** A word of its command line that no other process has: an absolute path below the stack's folder. */
  marker: string;
  /** Asks the server to finish soon and cleanly. */
  stopSignal: NodeJS.Signals;
  /** Makes the server's processes end at once; its data need not survive. */
  killSignal: NodeJS.Signals;
  /** What the part stores; `wipe` removes them. */
  dataDirs: readonly string[];
  /** Brings data folder and configuration into shape, also after a crash; runs only while the server does not. */
  prepare(): Promise<Omit<Launch, 'logFile'>>;
  /** True when the server answers; false or a fault while it does not yet. */
  probe(): Promise<boolean>;
}

export type PartState = 'ready' | 'starting' | 'stopped';

export interface PartStatus {
  name: string;
  state: PartState;
  pid: number | null;
  port: number;
}

/** Long enough for three brokers, a database and the registry that start on two busy cores. */
const READY_WITHIN_MS = 120_000;
const STOP_WITHIN_MS = 20_000;
const PROBE_EVERY_MS = 40;
/** A server that lost its children to a crash may be refused its port or shared memory for a moment. */
const STARTS = 4;
const RESTART_DELAY_MS = 400;

export interface Watch {
  onProgress?: (line: string) => void;
  signal?: AbortSignal;
}

/** Makes sure the part runs and answers. Throws a StackError with the end of its log when it does not. */
export async function ensurePart(dir: string, part: Part, watch: Watch): Promise<void> {
  const running = await runningPart(dir, part);
  if (running !== null && (await goesOn(dir, part, running, watch.signal))) return;
  for (let start = 1; ; start++) {
    watch.signal?.throwIfAborted();
    const startedAt = performance.now();
    const id = await startPart(dir, part);
    try {
      await answers(dir, part, id, watch.signal);
      return watch.onProgress?.(
        `${part.name} ready on port ${part.port} after ${seconds(performance.now() - startedAt)}`,
      );
    } catch (error) {
      if (start === STARTS || (await isRunning(id))) throw error;
      watch.onProgress?.(`${part.name} ended while starting, trying again`);
      await delay(RESTART_DELAY_MS * start);
    }
  }
}

/** False when it ended meanwhile: one that has just been killed still looks alive for a moment. */
async function goesOn(dir: string, part: Part, running: ProcessId, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await answers(dir, part, running, signal);
    return true;
  } catch (error) {
    if (await isRunning(running)) throw error;
    return false;
  }
}

async function startPart(dir: string, part: Part): Promise<ProcessId> {
  // Servers of ours without a valid pid file hold the port and the data folder.
  await stopStrays(part);
  const id = await launch({ ...(await part.prepare()), logFile: logFile(dir, part.name) });
  writePidFile(pidFile(dir, part.name), id);
  return id;
}

async function answers(dir: string, part: Part, id: ProcessId, signal: AbortSignal | undefined): Promise<void> {
  const deadline = performance.now() + READY_WITHIN_MS;
  for (;;) {
    const ready = await part.probe().catch(() => false);
    const alive = await isRunning(id);
    if (ready && alive) return;
    signal?.throwIfAborted();
    const fault = !alive ? 'ended while starting' : performance.now() > deadline ? 'does not answer' : null;
    if (fault !== null) throw new StackError(`${part.name} ${fault}; ${endOfLog(dir, part.name)}`);
    await delay(PROBE_EVERY_MS);
  }
}

/** Stops the part and forgets its pid. `atOnce` gives up what it has not stored. */
export async function stopPart(dir: string, part: Part, atOnce = false): Promise<void> {
  const signal = atOnce ? part.killSignal : part.stopSignal;
  const id = readPidFile(pidFile(dir, part.name));
  if (id !== null) await stop(id, signal, STOP_WITHIN_MS);
  await stopStrays(part, signal);
  removePidFile(pidFile(dir, part.name));
}

export async function stopStrays(part: Part, signal: NodeJS.Signals = part.stopSignal): Promise<void> {
  await Promise.all((await findByArgument(part.marker)).map((id) => stop(id, signal, STOP_WITHIN_MS)));
}

/** The process in the pid file if it is still the one that was written there. */
export async function runningPart(dir: string, part: Pick<Part, 'name'>): Promise<ProcessId | null> {
  const id = readPidFile(pidFile(dir, part.name));
  return id !== null && (await isRunning(id)) ? id : null;
}

export async function partStatus(dir: string, part: Part): Promise<PartStatus> {
  const id = await runningPart(dir, part);
  const ready = id !== null && (await part.probe().catch(() => false));
  const state = id === null ? 'stopped' : ready ? 'ready' : 'starting';
  return { name: part.name, state, pid: id?.pid ?? null, port: part.port };
}

function pidFile(dir: string, name: string): string {
  return join(dir, `${name}.pid`);
}

function logFile(dir: string, name: string): string {
  return join(dir, `${name}.log`);
}

function endOfLog(dir: string, name: string): string {
  const file = logFile(dir, name);
  try {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-15);
    return `the end of ${file}:\n${lines.map((line) => `    ${line}`).join('\n')}`;
  } catch {
    return `it wrote no log to ${file}`;
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}
