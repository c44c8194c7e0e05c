// Process that keeps one throwaway stack and ends it as soon as its parent closes the channel or dies.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack, stopStack } from '../../../deploy/local/index.ts';
import type { KeeperMessage } from './stack.ts';

const dir = mkdtempSync(join(tmpdir(), 'waybill-test-'));
// PostgreSQL may run as another user and has to get to its data below.
chmodSync(dir, 0o711);

const stopping = new AbortController();
const stop = () => stopping.abort();
process.once('disconnect', stop);
process.once('SIGTERM', stop);
process.once('SIGINT', stop);
const stopped = new Promise<void>((resolve) => stopping.signal.addEventListener('abort', () => resolve()));

try {
  const onProgress = (line: string) => tell({ kind: 'progress', line });
  const brokers = Number(process.argv[2]);
  const addresses = await startStack({ dir, brokers, throwaway: true, onProgress, signal: stopping.signal });
  tell({ kind: 'ready', dir, addresses });
  await stopped;
} catch (error) {
  tell({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
} finally {
  await stopStack({ dir, atOnce: true, wipe: true });
  rmSync(dir, { recursive: true, force: true });
  if (process.connected) process.disconnect();
}

function tell(message: KeeperMessage): void {
  // The parent may be gone between the look and the write.
  if (process.connected) process.send?.(message, () => {});
}
