// A throwaway stack: servers in a temporary folder that end with the process which asked for them, however it ends.
import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { StackAddresses } from '../../../deploy/local/index.ts';

export type { StackAddresses };

// How the run's addresses get from the global setup to the test files.
declare module 'vitest' {
  export interface ProvidedContext {
    stackAddresses: StackAddresses;
  }
}

export interface ThrowawayStack {
  /** The stack's folder: pid files and logs of each server, e.g. `kafka-1.pid`, and what `startStack({ dir })` repairs. */
  dir: string;
  addresses: StackAddresses;
  /** Ends all servers at once and removes the folder. */
  stop(): Promise<void>;
}

/** From the keeper to us; the other direction needs no words, because closing the channel means "stop". */
export type KeeperMessage =
  | { kind: 'progress'; line: string }
  | { kind: 'ready'; dir: string; addresses: StackAddresses }
  | { kind: 'failed'; message: string };

const KEEPER = fileURLToPath(new URL('stack-keeper.ts', import.meta.url));

/**
 * Starts PostgreSQL, Kafka and the registry on free ports under the eyes of a keeper process of its own. The keeper
 * stops them when it is told to, and also when this process is killed: then its channel to us closes.
 */
export async function startThrowawayStack(
  options: { brokers?: 1 | 3; onProgress?: (line: string) => void } = {},
): Promise<ThrowawayStack> {
  const keeper = fork(KEEPER, [String(options.brokers ?? 1)], {
    execArgv: ['--conditions=source'],
    detached: true, // Ctrl-C in the terminal must reach us, not the keeper.
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const exited = new Promise<void>((resolve) => keeper.once('exit', () => resolve()));
  const ready = await new Promise<Extract<KeeperMessage, { kind: 'ready' }>>((resolve, reject) => {
    keeper.once('error', reject);
    keeper.once('exit', (code) => reject(new Error(`the keeper of the test stack ended with code ${code}`)));
    keeper.on('message', (message: KeeperMessage) => {
      if (message.kind === 'progress') options.onProgress?.(message.line);
      else if (message.kind === 'ready') resolve(message);
      else reject(new Error(message.message));
    });
  });
  keeper.unref();
  keeper.channel?.unref();
  const stop = async () => {
    keeper.ref();
    if (keeper.connected) keeper.disconnect();
    await exited;
  };
  return { dir: ready.dir, addresses: ready.addresses, stop };
}
