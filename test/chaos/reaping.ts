// Sees to it that nothing of a run outlives it, however the runner ends.
import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';

/**
 * From here on every process that this one starts belongs to the run. A process of its own ends all of them, and removes the
 * servers' data, as soon as this process has ended or the result is disposed of.
 */
export function startReaper(folder: string, { keep }: { keep: boolean }): AsyncDisposable {
  process.env['CHAOS_RUN'] = randomBytes(8).toString('hex');
  const reaper = fork(join(import.meta.dirname, 'reaper.ts'), [folder, keep ? 'keep' : 'remove'], {
    detached: true,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  reaper.unref();
  reaper.channel?.unref();
  return {
    async [Symbol.asyncDispose]() {
      reaper.ref();
      const ended = once(reaper, 'exit');
      reaper.disconnect();
      await ended;
    },
  };
}
