import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { chooseCredentials, choosePorts, givenServers, saveEnvironment } from './setting.ts';

const directory = mkdtempSync(join(tmpdir(), 'waybill-demo-'));
afterAll(() => rmSync(directory, { recursive: true }));

describe('the demo’s setting', () => {
  test('takes servers from the environment only when all of them are named', () => {
    const all = { DATABASE_URL: 'd', KAFKA_BROKERS: 'k', SCHEMA_REGISTRY_URL: 's' };
    expect(givenServers(all)).toEqual(all);
    expect(givenServers({ ...all, KAFKA_BROKERS: '' })).toBeNull();
  });

  test('moves to another port when the usual one is taken, and uses none twice', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as { port: number };
    const ports = await choosePorts({ HTTP_PORT: String(port) });
    server.close();
    const all = [ports.api, ports.service, ports.receiver, ...Object.values(ports.management)];
    expect(all).not.toContain(port);
    expect(new Set(all).size).toBe(all.length);
  });

  test('makes credentials once and finds them again; the environment comes first', () => {
    const file = join(directory, 'demo.env');
    const made = chooseCredentials({}, file);
    expect(made.WAYBILL_MASTER_KEYS).toMatch(/^demo:[A-Za-z0-9+/]{43}=$/);
    expect(made.WAYBILL_ADMIN_TOKEN.length).toBeGreaterThanOrEqual(32);
    saveEnvironment(directory, { ...made });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(readFileSync(file, 'utf8')).toContain(`export WAYBILL_ADMIN_TOKEN='${made.WAYBILL_ADMIN_TOKEN}'`);
    expect(chooseCredentials({}, file)).toEqual(made);
    expect(chooseCredentials({ WAYBILL_ADMIN_TOKEN: 'given' }, file).WAYBILL_ADMIN_TOKEN).toBe('given');
  });
});
