// The parts of the stack that are plain functions: settings, ports, state, Maven's progress.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { seededRandom } from '#clock';
import { TransferCount } from './artifacts.ts';
import { checkoutDir } from './checkout.ts';
import { serverProperties } from './kafka.ts';
import { freePorts, isFree } from './ports.ts';
import { SETTINGS } from './postgres.ts';
import { movedFromTakenPorts, newState } from './state.ts';

const COMPOSE = readFileSync(join(checkoutDir(), 'docker-compose.yml'), 'utf8');
/** Where the two ways to run the servers have to differ. */
const PLACES = /listeners|voters|log\.dirs|listen_addresses|unix_socket|^log_/;

it('gives Kafka in Docker the same settings', () => {
  const properties = serverProperties({ brokers: [{ client: 1, controller: 2 }] }, 1, '/data');
  for (const [name, value] of Object.entries(properties).filter(([name]) => !PLACES.test(name))) {
    const variable = `KAFKA_${name.toUpperCase().replaceAll('.', '_')}`;
    expect(COMPOSE).toMatch(new RegExp(`^ +${variable}: '?${String(value)}'?$`, 'm'));
  }
});

it('gives PostgreSQL in Docker the same settings', () => {
  for (const [name, value] of Object.entries(SETTINGS).filter(([name]) => !PLACES.test(name))) {
    expect(COMPOSE).toContain(`      -c ${name}=${value}\n`);
  }
});

it('never gives up durability for speed', () => {
  expect(SETTINGS).toMatchObject({ fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' });
});

it('keeps every record of a three-node cluster on all nodes, two of which must have it', () => {
  const brokers = [1, 2, 3].map((n) => ({ client: 100 + n, controller: 200 + n }));
  expect(serverProperties({ brokers }, 2, '/data')).toMatchObject({
    'node.id': 2,
    listeners: 'CLIENT://127.0.0.1:102,CONTROLLER://127.0.0.1:202',
    'controller.quorum.voters': '1@127.0.0.1:201,2@127.0.0.1:202,3@127.0.0.1:203',
    'default.replication.factor': 3,
    'min.insync.replicas': 2,
    'offsets.topic.replication.factor': 3,
  });
});

it('picks different ports below the range for outgoing connections', async () => {
  const ports = await freePorts(8);
  expect(new Set(ports).size).toBe(8);
  expect(Math.max(...ports)).toBeLessThan(32_768);
});

it('gives no port twice, be it that nothing listens there yet', async () => {
  // Whoever draws the same numbers gets other ports, at the same time and later.
  const draw = () => freePorts(4, seededRandom(4711));
  const ports = [...(await Promise.all([draw(), draw()])), await draw()].flat();
  expect(new Set(ports).size).toBe(12);
});

it('moves a stack of which nothing runs away from a port that somebody has taken', async () => {
  const state = await newState(1);
  expect(await movedFromTakenPorts(state)).toEqual(state);
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(state.registryPort, '127.0.0.1', resolve));
  expect(await isFree(state.registryPort)).toBe(false);
  const moved = await movedFromTakenPorts(state);
  expect(moved.registryPort).not.toBe(state.registryPort);
  expect(moved).toMatchObject({ clusterId: state.clusterId, password: state.password });
  await new Promise((resolve) => server.close(resolve));
});

it('makes cluster ids of 16 bytes that no tool takes for an option', async () => {
  const states = await Promise.all(Array.from({ length: 50 }, () => newState(1)));
  for (const { clusterId } of states) expect(clusterId).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}$/);
});

it("adds up Maven's downloads", () => {
  const count = new TransferCount();
  const base = 'from central: https://repo.example/maven2/a';
  expect(count.read(`[INFO] Downloading ${base}.jar`)).toBe(true);
  expect(count.read(`[INFO] Downloaded ${base}.jar (159 MB at 131 MB/s)`)).toBe(true);
  expect(count.read(`[INFO] Downloaded ${base}.pom (1.5 kB at 7 MB/s)`)).toBe(true);
  expect(count.read('[ERROR] no such artifact')).toBe(false);
  expect(count.text()).toBe('159 MB in 2 files fetched');
});
