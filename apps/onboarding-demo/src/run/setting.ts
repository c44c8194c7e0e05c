// Where the demo runs: servers, ports, keys and token, taken from the environment as far as it has them.
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isFree } from '../../../../deploy/local/index.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What a process needs to reach PostgreSQL, Kafka and the registry. */
export const SERVER_NAMES = ['DATABASE_URL', 'KAFKA_BROKERS', 'SCHEMA_REGISTRY_URL'] as const;
export type Servers = Record<(typeof SERVER_NAMES)[number], string>;

export interface Ports {
  api: number;
  service: number;
  receiver: number;
  management: { status: number; relay: number; consumer: number; service: number };
}

export interface Credentials {
  WAYBILL_MASTER_KEYS: string;
  WAYBILL_ADMIN_TOKEN: string;
}

/** The servers that the environment names, or null when one is missing: then the local stack is wanted. */
export function givenServers(env: Environment): Servers | null {
  const given = SERVER_NAMES.map((name) => [name, env[name] ?? ''] as const);
  return given.every(([, value]) => value !== '') ? (Object.fromEntries(given) as Servers) : null;
}

/** The usual ports where they are free, others near them where they are not. */
export async function choosePorts(env: Environment): Promise<Ports> {
  const taken = new Set<number>();
  const choose = async (wanted: number) => {
    for (let port = wanted; ; port += 10) {
      if (port > 65_535) throw new Error(`no free port from ${wanted} up`);
      if (taken.has(port) || !(await isFree(port))) continue;
      taken.add(port);
      return port;
    }
  };
  return {
    api: await choose(Number(env['HTTP_PORT'] ?? '') || 3000),
    service: await choose(3001),
    receiver: await choose(3002),
    management: {
      status: await choose(9100),
      relay: await choose(9101),
      consumer: await choose(9102),
      service: await choose(9103),
    },
  };
}

/** The environment's keys and token; else those of the last demo in `file`, which its database may hold secrets of; else new ones. */
export function chooseCredentials(env: Environment, file: string): Credentials {
  const saved = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const choose = (name: keyof Credentials, make: () => string) =>
    env[name] || new RegExp(`^export ${name}='([^']+)'$`, 'm').exec(saved)?.[1] || make();
  return {
    WAYBILL_MASTER_KEYS: choose('WAYBILL_MASTER_KEYS', () => `demo:${randomBytes(32).toString('base64')}`),
    WAYBILL_ADMIN_TOKEN: choose('WAYBILL_ADMIN_TOKEN', () => randomBytes(24).toString('hex')),
  };
}

/** For `. .stack/demo.env` in a shell: everything to call the API, run psql, or start a service by hand. */
export function saveEnvironment(directory: string, values: Readonly<Record<string, string>>): void {
  mkdirSync(directory, { recursive: true });
  const lines = Object.entries(values).map(([name, value]) => `export ${name}='${value}'\n`);
  writeFileSync(join(directory, 'demo.env'), lines.join(''), { mode: 0o600 });
}
