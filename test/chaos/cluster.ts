// The servers of a run, to be broken one by one: PostgreSQL, three brokers and the registry, in the run's own folder.
import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  signalStackPart,
  type StackAddresses,
  stackBrokers,
  stackStatus,
  startStack,
  startStackPart,
  stopStack,
} from '../../deploy/local/index.ts';

/** Ways from clients to the brokers that can be cut apart: half of the processes use the one, half the other. */
export const ZONES = 2;

export class Cluster {
  readonly dir: string;
  readonly addresses: StackAddresses;
  readonly brokers: readonly string[];

  private constructor(dir: string, addresses: StackAddresses) {
    this.dir = dir;
    this.addresses = addresses;
    this.brokers = stackBrokers(dir).map((_, index) => `kafka-${index + 1}`);
  }

  static async start(folder: string, options: { brokers: 1 | 3; onProgress(line: string): void; signal: AbortSignal }) {
    const dir = stackFolder(folder);
    mkdirSync(dir, { recursive: true });
    chmodSync(dir, 0o711); // PostgreSQL may run as another user and has to get to its data below.
    return new Cluster(dir, await startStack({ ...options, dir, zones: ZONES, throwaway: true }));
  }

  /** Where Kafka really listens for each zone, and where its clients are told to go: `[zone][broker]`. */
  get zones(): { listen: number; advertised: number }[][] {
    const brokers = stackBrokers(this.dir);
    return Array.from({ length: ZONES }, (_, zone) => brokers.map(({ zones = [] }) => zones[zone]!));
  }

  /** Null when it does not run. */
  signal(name: string, signal: NodeJS.Signals): Promise<number | null> {
    return signalStackPart(this.dir, name, signal);
  }

  /** Starts it where it does not run; returns when it answers. */
  start(name: string): Promise<void> {
    return startStackPart(this.dir, name);
  }

  async pids(): Promise<{ name: string; pid: number }[]> {
    const { parts } = await stackStatus(this.dir);
    return parts.flatMap(({ name, pid }) => (pid === null ? [] : [{ name, pid }]));
  }
}

export async function stopCluster(folder: string, { removes }: { removes: boolean }): Promise<void> {
  const dir = stackFolder(folder);
  await stopStack({ dir, atOnce: removes, wipe: removes });
  if (removes) rmSync(dir, { recursive: true, force: true });
}

function stackFolder(folder: string): string {
  return join(folder, 'servers');
}
