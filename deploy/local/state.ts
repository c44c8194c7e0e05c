// What a stack remembers about itself between runs: ports, size, password, cluster id.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from './errors.ts';
import { freePorts, isFree } from './ports.ts';

export interface BrokerPorts {
  client: number;
  controller: number;
}

export interface StackState {
  version: 1;
  /** Kafka's cluster id: 16 bytes in base64url. */
  clusterId: string;
  /** Of the database superuser `waybill`. */
  password: string;
  postgresPort: number;
  registryPort: number;
  brokers: BrokerPorts[];
}

export function readState(dir: string): StackState | null {
  let text: string;
  try {
    text = readFileSync(join(dir, 'state.json'), 'utf8');
  } catch {
    return null;
  }
  const state = JSON.parse(text) as StackState;
  if (state.version === 1) return state;
  throw new StackError(`${dir} was made by another version of the local stack: stop it and remove the folder`);
}

export function writeState(dir: string, state: StackState): void {
  mkdirSync(dir, { recursive: true });
  const file = join(dir, 'state.json');
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}

export async function newState(brokers: number): Promise<StackState> {
  const ports = await freePorts(2 + 2 * brokers);
  return {
    version: 1,
    clusterId: newClusterId(),
    password: randomBytes(12).toString('hex'),
    postgresPort: ports[0]!,
    registryPort: ports[1]!,
    brokers: Array.from({ length: brokers }, (_, i) => ({ client: ports[2 + 2 * i]!, controller: ports[3 + 2 * i]! })),
  };
}

/** Kafka refuses ids that begin with "-", which its own tools would take for an option. */
function newClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newClusterId() : id;
}

/** The same stack on new ports, when another program has taken an old one. Only for a stack of which nothing runs. */
export async function movedFromTakenPorts(state: StackState): Promise<StackState> {
  const ports = [state.postgresPort, state.registryPort, ...state.brokers.flatMap((b) => [b.client, b.controller])];
  const free = await Promise.all(ports.map(isFree));
  if (free.every(Boolean)) return state;
  const { postgresPort, registryPort, brokers } = await newState(state.brokers.length);
  return { ...state, postgresPort, registryPort, brokers };
}
