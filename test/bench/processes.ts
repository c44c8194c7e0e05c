// Child processes of the benchmark: services as they are deployed, and its own roles, which answer calls.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

export class Child implements AsyncDisposable {
  readonly name: string;
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.#process = child;
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get isRunning(): boolean {
    return this.#process.pid !== undefined && this.#process.exitCode === null && this.#process.signalCode === null;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** Asks it to end, and kills it when it has not ended in time. May be called twice. */
  async stop(graceMs = 15_000): Promise<void> {
    if (!this.isRunning) return;
    this.#process.kill('SIGTERM');
    const giveUp = new AbortController();
    const late = delay(graceMs, 'late', { signal: giveUp.signal }).catch(() => 'ended');
    if ((await Promise.race([this.ended, late])) === 'late') this.#process.kill('SIGKILL');
    giveUp.abort();
    await this.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A process that is started as in production, its output in a file. */
export function startService(
  name: string,
  service: { args: readonly string[]; cwd: string; env: NodeJS.ProcessEnv; logFile: string },
): Child {
  const log = openSync(service.logFile, 'a');
  try {
    return new Child(
      name,
      spawn(process.execPath, service.args, { cwd: service.cwd, env: service.env, stdio: ['ignore', log, log] }),
    );
  } finally {
    closeSync(log);
  }
}

type Api = { [method: string]: (argument: never) => unknown };
type Call = { id: number; method: string; argument: unknown };
type Answer = { id: number; value?: unknown; fault?: string };

/** One of the benchmark's own processes; `A` is what its file serves. Typed arrays travel as they are. */
export class Role<A extends { [M in keyof A]: (argument: never) => unknown }> extends Child {
  readonly #channel: ChildProcess;
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #calls = 0;

  constructor(name: string, file: URL) {
    const channel = fork(file, { serialization: 'advanced', stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    super(name, channel);
    this.#channel = channel;
    channel.on('message', ({ id, value, fault }: Answer) => {
      const call = this.#open.get(id);
      this.#open.delete(id);
      if (fault === undefined) call?.resolve(value);
      else call?.reject(new Error(`${name}: ${fault}`));
    });
    void this.ended.then((how) => {
      for (const { reject } of this.#open.values()) reject(new Error(`${name} ended with ${how}`));
    });
  }

  call<M extends keyof A & string>(method: M, argument: Parameters<A[M]>[0]): Promise<Awaited<ReturnType<A[M]>>> {
    const id = ++this.#calls;
    return new Promise<unknown>((resolve, reject) => {
      if (!this.isRunning) return reject(new Error(`${this.name} has ended`));
      this.#open.set(id, { resolve, reject });
      this.#channel.send({ id, method, argument } satisfies Call, (error) => error && reject(error));
    }) as Promise<Awaited<ReturnType<A[M]>>>;
  }
}

/** Answers the calls of the process that started this one, and ends with it. */
export function serveRole(api: Api): void {
  process.once('disconnect', () => process.exit());
  process.on('SIGINT', () => undefined); // Ctrl-C reaches the whole group: the benchmark ends us when it is done.
  process.on('message', ({ id, method, argument }: Call) => {
    void (async () => api[method]!(argument as never))().then(
      (value) => process.send!({ id, value } satisfies Answer),
      (error: unknown) => process.send!({ id, fault: String(error) } satisfies Answer),
    );
  });
}
