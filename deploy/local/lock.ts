// A lock file that dies with its owner: two commands on the same folder wait for each other.
import { linkSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { identify, isRunning, readPidFile } from './processes.ts';

const POLL_MS = 100;

/**
 * Runs `work` while holding `file`. Waits for another living owner for as long as it takes, telling `onWait` once.
 * A file whose owner is gone (killed, or the machine restarted) is taken over.
 */
export async function withLock<T>(file: string, onWait: (pid: number) => void, work: () => Promise<T>): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  const mine = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  writeFileSync(mine, JSON.stringify(await identify(process.pid)));
  try {
    let told = false;
    while (!tryLink(mine, file)) {
      const owner = readPidFile(file);
      if (owner === null || !(await isRunning(owner))) {
        moveAside(file, `${mine}.old`, owner?.startedAt);
        continue;
      }
      if (!told) onWait(owner.pid);
      told = true;
      await delay(POLL_MS);
    }
    try {
      return await work();
    } finally {
      rmSync(file, { force: true });
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** Removes a dead owner's file, but gives it back when another waiter was quicker and the file is already its own. */
function moveAside(file: string, aside: string, deadStartedAt: string | undefined): void {
  try {
    renameSync(file, aside);
  } catch {
    return; // Somebody else has removed it.
  }
  if (readPidFile(aside)?.startedAt !== deadStartedAt) tryLink(aside, file);
  rmSync(aside, { force: true });
}

/** link(2) creates the name with its content in one step, so nobody ever reads a half-written owner. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
