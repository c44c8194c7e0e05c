// PostgreSQL refuses to run as root: whom it runs as then, and folders which that user can reach.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, lstatSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StackError } from './errors.ts';

export interface ServerUser {
  uid: number;
  gid: number;
}

/** Kept over a restart of the machine, open to everybody, and there on every Unix. */
const OPEN_FOLDER = '/var/tmp';

/** Null when this process is not root and the server simply runs as the same user. */
export function serverUser(): ServerUser | null {
  if (process.getuid?.() !== 0) return null;
  return find('postgres') ?? find('nobody') ?? fail();
}

function find(name: string): ServerUser | null {
  try {
    const id = (flag: string) => Number(execFileSync('id', [flag, name], { stdio: ['ignore', 'pipe', 'ignore'] }));
    return { uid: id('-u'), gid: id('-g') };
  } catch {
    return null;
  }
}

function fail(): never {
  throw new StackError(
    'PostgreSQL does not run as root, and there is neither a user "postgres" nor "nobody" to run it as.\n' +
      '  Make one (useradd --system postgres), or start the stack as another user.',
  );
}

/** The server's folder: inside the stack's, or below /var/tmp when its user can't get there (a 0700 home above it). */
export function serverHome(stackDir: string, user: ServerUser | null): string {
  if (user === null || isOpen(stackDir)) return stackDir;
  const name = createHash('sha256').update(stackDir).digest('hex').slice(0, 12);
  return join(OPEN_FOLDER, `waybill-${name}`);
}

/** The programs' folder, copied below /var/tmp when the server's user can't reach the original. */
export function reachablePrograms(native: string, version: string, user: ServerUser | null): string {
  if (user === null || isOpen(join(native, 'bin/postgres'))) return native;
  const copy = join(OPEN_FOLDER, `waybill-postgresql-${version}`);
  if (!existsSync(copy)) {
    const incomplete = `${copy}.${process.pid}`;
    rmSync(incomplete, { recursive: true, force: true });
    cpSync(native, incomplete, { recursive: true, verbatimSymlinks: true });
    if (existsSync(copy)) rmSync(incomplete, { recursive: true });
    else renameSync(incomplete, copy);
  }
  assertOurs(copy);
  return copy;
}

/** Makes a folder; if it was there, somebody else could have put it into a folder open to everybody. */
export function makeOwnFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o755 });
  assertOurs(path);
}

function assertOurs(path: string): void {
  const stat = lstatSync(path);
  if (stat.isDirectory() && stat.uid === process.getuid?.()) return;
  throw new StackError(`${path} belongs to somebody else: remove it and start again`);
}

/** True when every user can pass through all the folders above, and read or enter the thing itself. */
export function isOpen(path: string): boolean {
  for (let at = path; ; at = dirname(at)) {
    if (existsSync(at) && (statSync(at).mode & 0o001) === 0) return false;
    if (at === dirname(at)) return true;
  }
}
