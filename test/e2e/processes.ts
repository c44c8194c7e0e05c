// Built services as child processes: started with an environment of their own, watched through their health, ended by pid.
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { until } from '#testkit';
import { freePorts, serviceCommand } from '../../deploy/local/index.ts';

export type ServiceName = 'outbox-relay' | 'delivery-consumer' | 'status-service' | 'migrate';
export type Environment = Record<string, string>;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** From the start of a process, which takes half a second; with two others, on a machine that is busy, more than twenty. */
export const STARTED_WITHIN_MS = 60_000;
/** Log lines kept of each process, the latest ones. */
const KEPT_LINES = 5_000;

export interface LogLine {
  level: string;
  msg: string;
  [field: string]: unknown;
}

/** A process from `dist`. Whatever else a test does, call `kill()` in the end. */
export class ServiceProcess {
  readonly name: ServiceName;
  readonly managementUrl: string;
  readonly httpUrl: string;
  readonly log: LogLine[] = [];
  stderr = '';
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  readonly #child: ChildProcess;
  #hasExited = false;

  constructor(name: ServiceName, env: Environment, ports: { management: number; http: number }) {
    this.name = name;
    this.managementUrl = `http://127.0.0.1:${ports.management}`;
    this.httpUrl = `http://127.0.0.1:${ports.http}`;
    const command = serviceCommand(name === 'migrate' ? name : `start:${name}`);
    this.#child = spawn(command.file, command.args, {
      cwd: ROOT,
      // Nothing of our own environment, and no addresses from a local stack's file.
      env: {
        ...command.env,
        NODE_ENV: 'production',
        MANAGEMENT_HOST: '127.0.0.1',
        HTTP_HOST: '127.0.0.1',
        ...(name === 'migrate' ? {} : { MANAGEMENT_PORT: String(ports.management) }),
        ...(name === 'status-service' ? { HTTP_PORT: String(ports.http) } : {}),
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.exited = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code, signal) => {
        this.#hasExited = true;
        resolve({ code, signal });
      });
    });
    this.#collect();
  }

  get pid(): number {
    return this.#child.pid!;
  }

  #collect(): void {
    let rest = '';
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.log.push(parseLine(line));
      if (this.log.length > KEPT_LINES) this.log.splice(0, this.log.length - KEPT_LINES);
    });
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
  }

  /** Resolves when `/health/ready` says so; rejects at once when the process ends instead. */
  async ready(withinMs = STARTED_WITHIN_MS): Promise<this> {
    const condition = async () => {
      if (this.#hasExited) return true;
      return (await this.readiness()).ready;
    };
    const what = `${this.name} to be ready`;
    await until(condition, { withinMs, what, everyMs: 50 }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.tail()}`);
    });
    if (this.#hasExited) throw new Error(`${this.name} ended instead of getting ready\n${this.tail()}`);
    return this;
  }

  async readiness(): Promise<{ ready: boolean; reasons: string[] }> {
    const response = await fetch(`${this.managementUrl}/health/ready`, { headers: { connection: 'close' } });
    const body = (await response.json()) as { reasons?: string[] };
    return { ready: response.status === 200, reasons: body.reasons ?? [] };
  }

  /** Prometheus samples by `name{labels}`, as the process prints them. */
  async metrics(): Promise<Map<string, number>> {
    const response = await fetch(`${this.managementUrl}/metrics`, { headers: { connection: 'close' } });
    const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ')))]),
    );
  }

  /** SIGTERM, and how it ended. */
  async stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return (await this.exited).code;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    if (!this.#hasExited) this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** For the message of a test that failed. */
  tail(): string {
    const lines = this.log.slice(-15).map((line) => JSON.stringify(line));
    return [`--- ${this.name}`, ...lines, this.stderr.slice(-2_000)].join('\n');
  }
}

function parseLine(line: string): LogLine {
  try {
    return JSON.parse(line) as LogLine;
  } catch {
    return { level: 'none', msg: line };
  }
}

export async function startService(name: ServiceName, env: Environment): Promise<ServiceProcess> {
  const [management, http] = await freePorts(2);
  return new ServiceProcess(name, env, { management: management!, http: http! });
}

/** Runs one to its end, which must come by itself. */
export async function runToEnd(name: ServiceName, env: Environment): Promise<ServiceProcess & { code: number | null }> {
  const service = await startService(name, env);
  const { code } = await service.exited;
  return Object.assign(service, { code });
}
