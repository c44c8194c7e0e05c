// Waybill's own processes in a run: built services as they are deployed, each with proxies of its own to PostgreSQL and Kafka.
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { serviceCommand } from '../../deploy/local/index.ts';
import { type Child, startService } from '../bench/processes.ts';
import type { Sample } from './checker/history.ts';

export type Script = 'outbox-relay' | 'delivery-consumer' | 'status-service' | 'migrate';

const CHECKOUT = join(import.meta.dirname, '../..');
const SHIFTED_CLOCK = new URL('shifted-clock.ts', import.meta.url).href;
const READY_WITHIN_MS = 60_000;
const SCRAPE_WITHIN_MS = 2_000;
const TICK_MS = 10;
const PAGE_BYTES = 4_096;

export interface ServiceSettings {
  name: string;
  script: Script;
  env: Record<string, string>;
  /** The run's folder: logs go to `logs`, the last metrics of each life to `metrics`. */
  folder: string;
  ports: { management: number; http: number };
  /** Its wall clock can be set. */
  hasOwnClock: boolean;
}

/** One service under one name, through all its lives. */
export class Service {
  readonly name: string;
  readonly httpUrl: string;
  readonly #settings: ServiceSettings;
  #child: Child | null = null;

  constructor(settings: ServiceSettings) {
    this.name = settings.name;
    this.#settings = settings;
    this.httpUrl = `http://127.0.0.1:${settings.ports.http}`;
    for (const folder of ['logs', 'metrics', 'clocks']) mkdirSync(join(settings.folder, folder), { recursive: true });
  }

  get isRunning(): boolean {
    return this.#child?.isRunning === true;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** Starts a new life. With failpoints it runs as an armed build: `name=action[:arg][@n]`, joined by `;`. */
  start(failpoints?: string): void {
    if (this.isRunning) throw new Error(`${this.name} runs already`);
    const { script, env, ports, hasOwnClock } = this.#settings;
    const command = serviceCommand(script === 'migrate' ? script : `start:${script}`, {
      isArmed: failpoints !== undefined,
    });
    this.#note(`started${failpoints === undefined ? '' : `, armed with ${failpoints}`}`);
    this.#child = startService(this.name, {
      args: hasOwnClock ? ['--import', SHIFTED_CLOCK, ...command.args] : command.args,
      cwd: CHECKOUT,
      env: {
        ...command.env,
        PATH: process.env['PATH'],
        // By which the reaper knows what belongs to the run.
        CHAOS_RUN: process.env['CHAOS_RUN'],
        CHAOS_CLOCK: this.#clockFile,
        NODE_ENV: 'production',
        MANAGEMENT_HOST: '127.0.0.1',
        HTTP_HOST: '127.0.0.1',
        MANAGEMENT_PORT: String(ports.management),
        HTTP_PORT: String(ports.http),
        ...env,
        ...(failpoints !== undefined && { WAYBILL_FAILPOINTS: failpoints }),
      },
      logFile: this.#logFile,
    });
  }

  /** Its wall clock jumps by so much, and back with 0. Timers and the monotonic clock go on. */
  shiftClock(ms: number): void {
    if (ms === 0) rmSync(this.#clockFile, { force: true });
    else writeFileSync(this.#clockFile, String(ms));
  }

  /** False when it has ended, or did not get ready in time. */
  async ready(withinMs = READY_WITHIN_MS): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while (this.isRunning && performance.now() < deadline) {
      if (await this.isReady()) return true;
      await delay(100);
    }
    return false;
  }

  async isReady(): Promise<boolean> {
    return (await this.#get('/health/ready'))?.ok === true;
  }

  /** SIGKILL, and its end. A paused process dies of it too. */
  async kill(): Promise<void> {
    this.#child?.signal('SIGKILL');
    await this.#child?.ended;
  }

  /** SIGTERM, and how it ended: `code 0`, or what else happened within `withinMs`; then it is killed. */
  async terminate(withinMs: number): Promise<string> {
    if (this.#child === null) return 'was not started';
    await this.scrape();
    await this.#child.stop(withinMs);
    return this.#child.ended;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.signal(signal);
  }

  /** How this life ended, or null when that took longer than `withinMs`. */
  async ended(withinMs: number): Promise<string | null> {
    const giveUp = new AbortController();
    const late = delay(withinMs, null, { signal: giveUp.signal }).catch(() => null);
    const how = await Promise.race([this.#child?.ended ?? Promise.resolve('was not started'), late]);
    giveUp.abort();
    return how;
  }

  /** Null while it does not run. A process that does not answer is sampled without metrics. */
  async sample(): Promise<Sample | null> {
    if (!this.isRunning) return null;
    const pid = this.pid;
    const [ready, text] = await Promise.all([this.isReady(), this.scrape()]);
    const usage = usageOf(pid);
    return usage && { at: Date.now(), process: this.name, pid, ready, ...usage, metrics: samplesOf(text ?? '') };
  }

  /** Keeps the text: it may be the last of this life. */
  async scrape(): Promise<string | null> {
    const pid = this.pid;
    const text = (await (await this.#get('/metrics'))?.text().catch(() => null)) ?? null;
    if (text !== null) writeFileSync(join(this.#settings.folder, 'metrics', `${this.name}-${pid}.prom`), text);
    return text;
  }

  endOfLog(): string {
    if (!existsSync(this.#logFile)) return 'no log';
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-15).join('\n');
  }

  async #get(path: string): Promise<Response | null> {
    const url = `http://127.0.0.1:${this.#settings.ports.management}${path}`;
    const signal = AbortSignal.timeout(SCRAPE_WITHIN_MS);
    return fetch(url, { headers: { connection: 'close' }, signal }).catch(() => null);
  }

  get #logFile(): string {
    return join(this.#settings.folder, 'logs', `${this.name}.log`);
  }

  get #clockFile(): string {
    return join(this.#settings.folder, 'clocks', this.name);
  }

  #note(what: string): void {
    appendFileSync(this.#logFile, `{"level":"chaos","time":"${new Date().toISOString()}","msg":"${what}"}\n`);
  }
}

function samplesOf(text: string): Record<string, number> {
  const lines = text.split('\n').filter((line) => line.startsWith('waybill_') && !line.includes('_bucket{'));
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

/** proc(5). Null for a process that is no more. */
export function usageOf(pid: number): { rssBytes: number; cpuMs: number } | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const resident = Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]);
    return { rssBytes: resident * PAGE_BYTES, cpuMs: (Number(fields[11]) + Number(fields[12])) * TICK_MS };
  } catch {
    return null;
  }
}
