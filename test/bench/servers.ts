// PostgreSQL, Kafka and the registry: those of the environment, or a throwaway stack; and what they are set to.
import { mkdirSync, mkdtempSync, chmodSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createPool, type Pool } from '#database';
import { createKafka } from '#kafka';
import { type StackAddresses, stackStatus, startStack, stopStack } from '../../deploy/local/index.ts';
import { monotonicMs } from './load.ts';
import { median, rounded } from './statistics.ts';
import type { Watched } from './usage.ts';

export interface Servers extends AsyncDisposable {
  addresses: StackAddresses;
  /** Their processes, as far as they are known: on this machine, and of a local stack. */
  watched: Watched[];
  isThrowaway: boolean;
}

export interface ServersOptions {
  keepStack: boolean;
  signal: AbortSignal;
  onProgress: (line: string) => void;
}

const CHECKOUT = join(import.meta.dirname, '../..');

export async function openServers(options: ServersOptions, cleanup: AsyncDisposableStack): Promise<Servers> {
  const { DATABASE_URL, KAFKA_BROKERS, SCHEMA_REGISTRY_URL } = process.env;
  if (DATABASE_URL && KAFKA_BROKERS && SCHEMA_REGISTRY_URL) {
    const addresses = { DATABASE_URL, KAFKA_BROKERS, SCHEMA_REGISTRY_URL };
    options.onProgress('using the servers of the environment');
    const { addresses: local } = await stackStatus();
    const watched = local?.DATABASE_URL === DATABASE_URL ? await watchedOf() : [];
    return { addresses, watched, isThrowaway: false, [Symbol.asyncDispose]: async () => undefined };
  }
  return cleanup.use(await startThrowawayStack(options, cleanup));
}

async function startThrowawayStack(
  { keepStack, signal, onProgress }: ServersOptions,
  cleanup: AsyncDisposableStack,
): Promise<Servers> {
  // Beside the checkout's own stack rather than in /tmp, which lies in memory on many machines: fsync would cost nothing.
  const parent = join(CHECKOUT, '.stack');
  mkdirSync(parent, { recursive: true });
  const dir = mkdtempSync(join(parent, 'bench-'));
  chmodSync(dir, 0o711); // PostgreSQL may run as another user and has to get to its data below.
  const stop = async () => {
    if (keepStack && !signal.aborted) {
      onProgress(`the stack stays: . ${dir}/env; end it: npm run stack:down -- --wipe --dir ${dir}`);
      return;
    }
    await stopStack({ dir, atOnce: true, wipe: true });
    rmSync(dir, { recursive: true, force: true });
  };
  cleanup.defer(stop);
  const addresses = await startStack({ dir, throwaway: !keepStack, signal, onProgress });
  return { addresses, watched: await watchedOf(dir), isThrowaway: true, [Symbol.asyncDispose]: async () => undefined };
}

async function watchedOf(dir?: string): Promise<Watched[]> {
  const { parts } = await stackStatus(dir);
  return parts.flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid, withChildren: name === 'postgres' }]));
}

const DURABLE = ['fsync', 'full_page_writes', 'synchronous_commit'];

/** What makes a figure count. Throws when PostgreSQL may lose commits: there is no sense in measuring that. */
export async function checkSettings({ addresses, isThrowaway }: Servers) {
  const pool = createPool({ url: addresses.DATABASE_URL, max: 1, applicationName: 'bench' });
  try {
    const { rows } = await pool.query<{ name: string; setting: string }>(
      `SELECT name, setting FROM pg_settings WHERE name = ANY($1) ORDER BY name`,
      [[...DURABLE, 'server_version', 'shared_buffers', 'wal_sync_method']],
    );
    const postgres = Object.fromEntries(rows.map(({ name, setting }) => [name, setting]));
    const off = DURABLE.filter((name) => postgres[name] !== 'on');
    if (off.length > 0) throw new Error(`PostgreSQL runs without ${off.join(', ')}: its figures would mean nothing`);
    return {
      postgres: { ...postgres, commitMs: await commitMs(pool) },
      kafka: { acks: -1, brokers: await brokerCount(addresses) },
      throwawayStack: isThrowaway,
      environment: tuning(),
    };
  } finally {
    await pool.end();
  }
}

/** What one small commit takes on an idle server, median: mostly the disk's fsync. */
async function commitMs(pool: Pool): Promise<number> {
  const took: number[] = [];
  for (let n = 0; n < 50; n++) {
    const startedAt = monotonicMs();
    await pool.query(`SELECT pg_logical_emit_message(true, 'bench', '')`);
    took.push(monotonicMs() - startedAt);
  }
  return rounded(median(took), 2);
}

const silent = { debug() {}, info() {}, warn() {}, error() {} };

export const kafkaAdmin = ({ KAFKA_BROKERS }: StackAddresses) =>
  createKafka({ brokers: KAFKA_BROKERS.split(','), clientId: 'bench', logger: silent }).admin();

async function brokerCount(addresses: StackAddresses): Promise<number> {
  const admin = kafkaAdmin(addresses);
  try {
    return await admin.brokerCount();
  } finally {
    await admin.disconnect();
  }
}

/** Settings that the caller's environment changes for the services: a reader of the figures must see them. */
function tuning(): Record<string, string> {
  const names = Object.keys(process.env).filter(
    (name) =>
      /^(WAYBILL_|LOG_LEVEL$|NODE_OPTIONS$|UV_)/.test(name) && !/^WAYBILL_(MASTER_KEYS|ADMIN_TOKEN)$/.test(name),
  );
  return Object.fromEntries(names.map((name) => [name, process.env[name]!]));
}
