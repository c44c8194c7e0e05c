// Process that outlives the run: when the runner ends, however it ends, nothing of the run goes on and no server's data stays.
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { stopCluster } from './cluster.ts';

/** Time for writer and receiver to close their journals: they notice the runner's end by themselves. */
const GRACE_MS = 2_000;

const [folder, keep] = process.argv.slice(2) as [string, string];
const mark = `CHAOS_RUN=${process.env['CHAOS_RUN'] ?? ''}`;

// Ctrl-C reaches the whole group: the runner's end is what we wait for.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.once('disconnect', () => void reap());

async function reap(): Promise<void> {
  const deadline = Date.now() + GRACE_MS;
  while (belonging(isNode).length > 0 && Date.now() < deadline) await delay(50);
  for (const pid of belonging(isNode)) kill(pid);
  await stopCluster(folder, { removes: keep !== 'keep' });
  for (const pid of belonging(() => true)) kill(pid);
  process.exit();
}

const isNode = (command: string) => basename(command) === 'node';

/** Processes that were started with the run's mark, by it or by one of its children. */
function belonging(wanted: (command: string) => boolean): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid);
  return pids.map(Number).filter((pid) => {
    const isOurs = textOf(pid, 'environ').split('\0').includes(mark);
    return isOurs && wanted(textOf(pid, 'cmdline').split('\0')[0]!);
  });
}

function textOf(pid: number, file: 'environ' | 'cmdline'): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return ''; // It has ended, or is another user's.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
