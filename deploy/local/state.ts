// What a stack remembers about itself between runs: ports, size, password, cluster id.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StackError } from './errors.ts';
import { freePorts, isFree } from './ports.ts';

export interface BrokerPorts {
  client: number;
  controller: number;
  /** Further listeners, each named to its clients by another port: there a proxy may stand, or nothing. */
  zones?: readonly ZonePorts[];
}

export interface ZonePorts {
  listen: number;
  advertised: number;
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

export async function newState(brokers: number, zones = 0): Promise<StackState> {
  const ports = await freePorts(2 + (2 + 2 * zones) * brokers);
  const next = () => ports.pop()!;
  const zone = (): ZonePorts => ({ listen: next(), advertised: next() });
  const broker = (): BrokerPorts => ({
    client: next(),
    controller: next(),
    ...(zones > 0 && { zones: Array.from({ length: zones }, zone) }),
  });
  return {
    version: 1,
    clusterId: newClusterId(),
    password: randomBytes(12).toString('hex'),
    postgresPort: next(),
    registryPort: next(),
    brokers: Array.from({ length: brokers }, broker),
  };
}

/** Kafka refuses ids that begin with "-", which its own tools would take for an option. */
function newClusterId(): string {
  const id = randomBytes(16).toString('base64url');
  return id.startsWith('-') ? newClusterId() : id;
}

/** The same stack on new ports, when another program has taken an old one. Only for a stack of which nothing runs. */
export async function movedFromTakenPorts(state: StackState): Promise<StackState> {
  const ports = [state.postgresPort, state.registryPort, ...state.brokers.flatMap(listeningPorts)];
  const free = await Promise.all(ports.map(isFree));
  if (free.every(Boolean)) return state;
  const { postgresPort, registryPort, brokers } = await newState(
    state.brokers.length,
    state.brokers[0]?.zones?.length ?? 0,
  );
  return { ...state, postgresPort, registryPort, brokers };
}

function listeningPorts({ client, controller, zones = [] }: BrokerPorts): number[] {
  return [client, controller, ...zones.map(({ listen }) => listen)];
}
