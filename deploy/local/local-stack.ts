// Starts, repairs, stops and describes a whole stack: PostgreSQL, Kafka and the schema registry in one folder.
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { prepareArtifacts } from './artifacts.ts';
import { checkoutDir } from './checkout.ts';
import { StackError } from './errors.ts';
import { findJava } from './java.ts';
import { brokerList, isClusterReady, kafkaParts } from './kafka.ts';
import { withLock } from './lock.ts';
import { ensurePart, partStatus, runningPart, stopPart, stopStrays } from './part.ts';
import type { Part, PartStatus } from './part.ts';
import { postgresPart, postgresUrl } from './postgres.ts';
import { registryPart, registryUrl } from './registry.ts';
import { movedFromTakenPorts, newState, readState, writeState } from './state.ts';
import type { StackState } from './state.ts';

/** The environment variables that lead a process to the stack. */
export interface StackAddresses {
  DATABASE_URL: string;
  /** host:port, comma-separated. */
  KAFKA_BROKERS: string;
  SCHEMA_REGISTRY_URL: string;
}

export interface StackOptions {
  /** Folder of the stack. Default: `.stack` in the checkout. Stacks in different folders don't know of each other. */
  dir?: string;
  /** 1 or 3 Kafka nodes. Default: as many as the stack has, 1 for a new one. */
  brokers?: number;
  /** Further listeners of each broker of a new stack, for clients that come through proxies. Default: none. */
  zones?: number;
  /** For a stack that is wiped soon: quicker to make, and not to be trusted after a crash of the machine. */
  throwaway?: boolean;
  /** Gives up: the call throws, and what it has started by then stays for `stopStack`. */
  signal?: AbortSignal;
  onProgress?: (line: string) => void;
}

export interface StackStatus {
  dir: string;
  parts: PartStatus[];
  /** Null when there is no stack in the folder. */
  addresses: StackAddresses | null;
}

const CLUSTER_READY_WITHIN_MS = 60_000;
const POLL_MS = 50;

/**
 * Returns when every server of the stack really answers. What runs is left alone, what does not (also after kill -9,
 * also with a left-over lock file of its own) is started on the same port with the same data. The servers outlive
 * this process.
 * @throws StackError when Java or Maven is missing or a server does not start; the message says what to do.
 */
export async function startStack(options: StackOptions = {}): Promise<StackAddresses> {
  const dir = stackDir(options.dir);
  const onProgress = options.onProgress ?? (() => {});
  return locked(dir, onProgress, async () => {
    const state = await stateFor(dir, options);
    const parts = partsOf(dir, state, options);
    await allOf(parts.map((part) => ensurePart(dir, part, options)));
    await clusterReady(state, options.signal);
    const addresses = addressesOf(state);
    writeEnv(dir, addresses);
    return addresses;
  });
}

export interface StopOptions {
  dir?: string;
  /** Gives up what is not stored yet: quick, for throwaway stacks. */
  atOnce?: boolean;
  /** Removes the stack's data as well. */
  wipe?: boolean;
  onProgress?: (line: string) => void;
}

/** Stops what runs, by SIGTERM (PostgreSQL: SIGINT, its "fast" shutdown) and, after 20 s, by SIGKILL. */
export async function stopStack(options: StopOptions = {}): Promise<void> {
  const dir = stackDir(options.dir);
  if (!existsSync(dir)) return;
  const onProgress = options.onProgress ?? (() => {});
  await locked(dir, onProgress, async () => {
    const state = readState(dir);
    if (state === null) return;
    const parts = partsOf(dir, state, {});
    rmSync(join(dir, 'env'), { force: true });
    await allOf(parts.map((part) => stopPart(dir, part, options.atOnce)));
    if (options.wipe === true) wipe(dir, parts);
  });
}

/** Looks, changes nothing. */
export async function stackStatus(dirOption?: string): Promise<StackStatus> {
  const dir = stackDir(dirOption);
  const state = readState(dir);
  if (state === null) return { dir, parts: [], addresses: null };
  const parts = await Promise.all(partsOf(dir, state, {}).map((part) => partStatus(dir, part)));
  return { dir, parts, addresses: addressesOf(state) };
}

/** Like Promise.all, but a fault waits for the others: nobody works on after the lock is given back. */
async function allOf(work: readonly Promise<void>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((result) => result.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function stackDir(dir: string | undefined): string {
  return resolve(dir ?? join(checkoutDir(), '.stack'));
}

function locked<T>(dir: string, onProgress: (line: string) => void, work: () => Promise<T>): Promise<T> {
  return withLock(join(dir, 'lock'), (pid) => onProgress(`waiting for process ${pid}, which works on ${dir}`), work);
}

/** Reads or makes the stack's memory; a stack of which nothing runs moves away from ports that others have taken. */
async function stateFor(dir: string, options: StackOptions): Promise<StackState> {
  const known = readState(dir);
  const wanted = options.brokers ?? known?.brokers.length ?? 1;
  if (wanted !== 1 && wanted !== 3) throw new StackError(`${wanted} brokers: a stack has 1 or 3`);
  if (known !== null && known.brokers.length !== wanted) {
    throw new StackError(
      `The stack in ${dir} has ${known.brokers.length} broker(s), not ${wanted}.\n  Remove it first: npm run stack:down -- --wipe`,
    );
  }
  const state = known ?? (await newState(wanted, options.zones));
  const parts = partsOf(dir, state, options);
  const running = await Promise.all(parts.map((part) => runningPart(dir, part)));
  // Servers whose pid file is lost would hold their ports; without a memory their data is of no use either.
  await Promise.all(parts.filter((_, i) => running[i] === null).map((part) => stopStrays(part)));
  if (known === null) wipe(dir, parts);
  const placed = running.every((id) => id === null) ? await movedFromTakenPorts(state) : state;
  mkdirSync(dir, { recursive: true });
  writeState(dir, placed);
  return placed;
}

/** The servers of a stack, whether they run or not. */
export function partsOf(dir: string, state: StackState, options: StackOptions): Part[] {
  // Java and the artifacts are looked for once, and only when a part has to be started.
  let found: ReturnType<typeof findRuntime> | undefined;
  const runtime = () => (found ??= findRuntime(options));
  const { clusterId, password, brokers } = state;
  return [
    postgresPart({ dir, port: state.postgresPort, password, throwaway: options.throwaway === true }),
    ...kafkaParts({ dir, clusterId, brokers, runtime }),
    registryPart({ dir, port: state.registryPort, runtime }),
  ];
}

async function findRuntime(options: StackOptions) {
  const java = await findJava();
  return { java: java.command, ...(await prepareArtifacts(java, options)) };
}

async function clusterReady(state: StackState, signal: AbortSignal | undefined): Promise<void> {
  const deadline = performance.now() + CLUSTER_READY_WITHIN_MS;
  for (;;) {
    const fault = await isClusterReady(state.brokers).then(
      (ready) => (ready ? null : 'brokers or group coordinators are missing'),
      String,
    );
    if (fault === null) return;
    signal?.throwIfAborted();
    if (performance.now() > deadline) throw new StackError(`Kafka runs but is not ready: ${fault}`);
    await delay(POLL_MS);
  }
}

function addressesOf(state: StackState): StackAddresses {
  return {
    DATABASE_URL: postgresUrl({ port: state.postgresPort, password: state.password }),
    KAFKA_BROKERS: brokerList(state.brokers).join(','),
    SCHEMA_REGISTRY_URL: registryUrl(state.registryPort),
  };
}

/** For `. .stack/env` in a shell. */
function writeEnv(dir: string, addresses: StackAddresses): void {
  const lines = Object.entries(addresses).map(([name, value]) => `export ${name}='${value}'\n`);
  const file = join(dir, 'env');
  writeFileSync(`${file}.new`, lines.join(''), { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

function wipe(dir: string, parts: readonly Part[]): void {
  rmSync(join(dir, 'state.json'), { force: true });
  for (const part of parts) {
    for (const path of part.dataDirs) rmSync(path, { recursive: true, force: true });
    rmSync(join(dir, part.name), { recursive: true, force: true });
    rmSync(join(dir, `${part.name}.log`), { force: true });
  }
}
