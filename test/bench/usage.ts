// CPU and memory of processes over time, read from /proc (Linux; elsewhere there are no figures).
import { readFileSync } from 'node:fs';
import { monotonicMs } from './load.ts';
import { rounded } from './statistics.ts';

export interface Watched {
  name: string;
  pid: number;
  /** PostgreSQL is a process with a child for each connection: they count together. */
  withChildren?: boolean;
}

export interface ProcessUsage {
  /** CPU time, user and system, for one event. */
  cpuMicrosPerEvent: number;
  /** Share of one core. */
  cpuShare: number;
  /** Resident memory; what children share is counted once. */
  rssMb: { halfTime: number; end: number; max: number };
}

export interface Usage {
  processes: Record<string, ProcessUsage>;
  /** Of the processes together. */
  cpuMicrosPerEvent: number;
  /** Shares of all cores: the whole machine, and the processes above. A gap between the two is somebody else's work. */
  machineBusyShare: number;
  watchedBusyShare: number;
}

interface Reading {
  cpuMs: number;
  rssMb: number;
}
interface Sample {
  at: number;
  busyMs: number;
  readings: Map<string, Reading>;
}

/** Linux reports times in ticks of 1/100 s, whatever the kernel's own is (USER_HZ). */
const TICK_MS = 10;
const PAGE_MB = 4_096 / 1_048_576;

export class UsageMonitor implements Disposable {
  readonly #watched: readonly Watched[];
  readonly #samples: Sample[] = [];
  readonly #timer: NodeJS.Timeout;

  constructor(watched: readonly Watched[], everyMs = 500) {
    this.#watched = watched;
    this.#take();
    this.#timer = setInterval(() => this.#take(), everyMs);
  }

  /** What was used from the construction until now, by processes that were there at both ends. */
  finish(events: number, cores: number): Usage {
    this.#take();
    const first = this.#samples[0]!;
    const last = this.#samples.at(-1)!;
    const wallMs = last.at - first.at;
    const half = this.#samples.find((sample) => sample.at >= first.at + wallMs / 2)!;
    const processes: Record<string, ProcessUsage> = {};
    let watchedMs = 0;
    for (const { name } of this.#watched) {
      const [before, after] = [first.readings.get(name), last.readings.get(name)];
      if (before === undefined || after === undefined) continue;
      const cpuMs = after.cpuMs - before.cpuMs;
      watchedMs += cpuMs;
      const rss = this.#samples.map((sample) => sample.readings.get(name)?.rssMb ?? 0);
      processes[name] = {
        cpuMicrosPerEvent: rounded((cpuMs * 1_000) / events, 1),
        cpuShare: rounded(cpuMs / wallMs, 3),
        rssMb: {
          halfTime: rounded(half.readings.get(name)?.rssMb ?? NaN),
          end: rounded(after.rssMb),
          max: rounded(Math.max(...rss)),
        },
      };
    }
    return {
      processes,
      cpuMicrosPerEvent: rounded((watchedMs * 1_000) / events, 1),
      machineBusyShare: rounded((last.busyMs - first.busyMs) / wallMs / cores, 3),
      watchedBusyShare: rounded(watchedMs / wallMs / cores, 3),
    };
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
  }

  #take(): void {
    const readings = new Map<string, Reading>();
    for (const watched of this.#watched) {
      const reading = read(watched);
      if (reading !== null) readings.set(watched.name, reading);
    }
    this.#samples.push({ at: monotonicMs(), busyMs: machineBusyMs(), readings });
  }
}

function read({ pid, withChildren = false }: Watched): Reading | null {
  try {
    const own = stat(pid);
    const memory = [statm(pid)];
    let ticks = own.ticks;
    if (withChildren) {
      // A child that ends hands its time on to the parent that waits for it: nothing is lost between two looks.
      ticks += own.waitedTicks;
      for (const child of childrenOf(pid)) {
        const one = tryRead(() => ({ ticks: stat(child).ticks, memory: statm(child) }));
        if (one === null) continue;
        ticks += one.ticks;
        memory.push(one.memory);
      }
    }
    const pages =
      memory.reduce((sum, { own: pagesOwn }) => sum + pagesOwn, 0) + Math.max(...memory.map((m) => m.shared));
    return { cpuMs: ticks * TICK_MS, rssMb: pages * PAGE_MB };
  } catch {
    return null;
  }
}

/** proc(5): the name in field 2 may hold spaces and brackets, so fields are counted from the last bracket. */
function stat(pid: number): { ticks: number; waitedTicks: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  return { ticks: fields[11]! + fields[12]!, waitedTicks: fields[13]! + fields[14]! };
}

function statm(pid: number): { own: number; shared: number } {
  const [, resident = 0, shared = 0] = readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ').map(Number);
  return { own: resident - shared, shared };
}

function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

function machineBusyMs(): number {
  // user nice system idle iowait irq softirq steal
  const line = tryRead(() =>
    readFileSync('/proc/stat', 'utf8').split('\n')[0]!.trim().split(/\s+/).slice(1, 9).map(Number),
  );
  if (line === null) return NaN;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line;
  return (user + nice + system + irq + softirq + steal) * TICK_MS;
}

function tryRead<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}
