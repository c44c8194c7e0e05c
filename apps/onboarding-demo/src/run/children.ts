// The processes that the demo starts: each with a log file, watched while they run, stopped without exception.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DemoFault } from './demo-fault.ts';

export interface Program {
  name: string;
  /** Arguments for Node. */
  args: readonly string[];
  env: Readonly<Record<string, string>>;
}

const STOP_WITHIN_MS = 10_000;
const SHOWN_LOG_LINES = 15;

export class Children {
  readonly #directory: string;
  readonly #logDirectory: string;
  readonly #running = new Map<ChildProcess, { name: string; ended: Promise<void> }>();
  #isStopping = false;
  /** Rejects when a service ends that nobody stopped. */
  readonly failed: Promise<never>;
  #fail: (fault: Error) => void = () => undefined;

  /** Programs run in `directory`; `<logDirectory>/<name>.log` begins anew each time. */
  constructor(directory: string, logDirectory: string) {
    this.#directory = directory;
    this.#logDirectory = logDirectory;
    this.failed = new Promise<never>((_, reject) => (this.#fail = reject));
    // Heard by those who race it; a failure that comes while nobody does must not end the process.
    this.failed.catch(() => undefined);
    mkdirSync(logDirectory, { recursive: true });
    process.on('exit', () => this.killAll());
  }

  /** Starts a service that is meant to run until `stopAll`. */
  start(program: Program): void {
    void this.#spawn(program).then((how) => {
      if (!this.#isStopping) this.#fail(this.#fault(program.name, `ended (${how})`));
    });
  }

  /** Runs a program to its end. Throws with the end of its log unless its exit code is 0. */
  async run(program: Program): Promise<void> {
    const how = await this.#spawn(program);
    if (how !== 'code 0') throw this.#fault(program.name, `failed (${how})`);
  }

  /** SIGTERM to all; SIGKILL for those that have not ended 10 s later. */
  async stopAll(): Promise<void> {
    this.#isStopping = true;
    const ended = Promise.all([...this.#running.values()].map((one) => one.ended));
    for (const child of this.#running.keys()) child.kill('SIGTERM');
    const timer = setTimeout(() => this.killAll(), STOP_WITHIN_MS);
    await ended;
    clearTimeout(timer);
  }

  killAll(): void {
    for (const child of this.#running.keys()) child.kill('SIGKILL');
  }

  #fault(name: string, what: string): DemoFault {
    const file = this.#logFile(name);
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n').slice(-SHOWN_LOG_LINES);
    return new DemoFault(`${name} ${what}; the end of ${file}:\n${lines.map((line) => `    ${line}`).join('\n')}`);
  }

  #logFile(name: string): string {
    return join(this.#logDirectory, `${name}.log`);
  }

  /** Resolves when the program has ended, with how it did. */
  #spawn({ name, args, env }: Program): Promise<string> {
    if (this.#isStopping) throw new DemoFault('stopped');
    writeFileSync(this.#logFile(name), '');
    const log = openSync(this.#logFile(name), 'a');
    // In a process group of its own: a Ctrl-C in the terminal is for the demo, which stops its children in good order.
    const child = spawn(process.execPath, args, {
      cwd: this.#directory,
      env: { ...process.env, ...env },
      stdio: ['ignore', log, log],
      detached: true,
    });
    closeSync(log);
    const how = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(code === null ? String(signal) : `code ${code}`));
    }).finally(() => this.#running.delete(child));
    this.#running.set(child, { name, ended: how.then(() => undefined) });
    return how;
  }
}
