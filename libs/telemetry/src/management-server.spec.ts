// Checks the management port over real loopback sockets: health, metrics, and clients that misbehave.
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { type Health, type ManagementServer, startManagementServer } from './management-server.ts';
import { createMetrics, Gauge } from './metrics.ts';

let server: ManagementServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

const healthy: Health = { live: () => true, ready: () => ({ ready: true, reasons: [] }) };

async function start(options: { health?: Partial<Health>; timeoutMs?: number } = {}) {
  const registry = createMetrics('test', '1.2.3');
  const { timeoutMs = 2_000 } = options;
  server = await startManagementServer({
    port: 0,
    host: '127.0.0.1',
    registry,
    health: { ...healthy, ...options.health },
    timeoutMs,
  });
  const url = `http://127.0.0.1:${server.port}`;
  return { url, registry, port: server.port };
}

describe('metrics', () => {
  test('are served in the Prometheus text format with the build in them', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/metrics`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    const body = await response.text();
    expect(body).toContain('waybill_build_info{service="test",version="1.2.3"');
    expect(body).toContain('process_cpu_user_seconds_total');
  });

  test('answer 500 when one of them fails, and the process goes on', async () => {
    const { url, registry } = await start();
    new Gauge({
      name: 'broken',
      help: 'throws',
      registers: [registry],
      collect: () => {
        throw new Error('hunter2');
      },
    });
    const response = await fetch(`${url}/metrics`);
    expect(response.status).toBe(500);
    expect(await response.text()).not.toContain('hunter2');
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  test('of two registries in one process stay apart', () => {
    expect(() => [createMetrics('a', '1'), createMetrics('b', '1')]).not.toThrow();
  });
});

describe('health', () => {
  test('answers 200 for a live and ready process', async () => {
    const { url } = await start();
    expect(await (await fetch(`${url}/health/live`)).json()).toEqual({ live: true });
    expect(await (await fetch(`${url}/health/ready?verbose`)).json()).toEqual({ ready: true, reasons: [] });
  });

  test('answers 503 with the reasons when not ready', async () => {
    const { url } = await start({ health: { ready: () => ({ ready: false, reasons: ['PostgreSQL: refused'] }) } });
    const response = await fetch(`${url}/health/ready`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ ready: false, reasons: ['PostgreSQL: refused'] });
  });

  test('answers 503 with the reason when no longer alive', async () => {
    const { url } = await start({ health: { live: () => 'the event loop stood still' } });
    const response = await fetch(`${url}/health/live`);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ live: false, reasons: ['the event loop stood still'] });
  });

  test('answers 503 when the check itself throws', async () => {
    const broken = () => {
      throw new Error('no');
    };
    const { url } = await start({ health: { live: broken, ready: broken } });
    expect((await fetch(`${url}/health/live`)).status).toBe(503);
    expect((await fetch(`${url}/health/ready`)).status).toBe(503);
  });
});

describe('requests', () => {
  test('for other pages get 404, other methods 405, HEAD no body', async () => {
    const { url } = await start();
    expect((await fetch(`${url}/`)).status).toBe(404);
    expect((await fetch(`${url}/constructor`)).status).toBe(404);
    const post = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' });
    expect([post.status, post.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
    const head = await fetch(`${url}/health/live`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  test('that are not HTTP are dropped', async () => {
    const { url, port } = await start();
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('\x16\x03\x01 not http\r\n\r\n');
    await once(socket, 'close');
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  test('of a scraper that never finishes its request are dropped after the timeout', async () => {
    const { url, port } = await start({ timeoutMs: 100 });
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.write('GET /metrics HTTP/1.1\r\n');
    await once(socket, 'close');
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
  });

  test('still open do not hold up close', async () => {
    const { port } = await start({ timeoutMs: 60_000 });
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    await server?.close();
    await once(socket, 'close');
  });
});

test('a taken port is refused with EADDRINUSE', async () => {
  const { port, registry } = await start();
  await expect(startManagementServer({ port, host: '127.0.0.1', registry, health: healthy })).rejects.toMatchObject({
    code: 'EADDRINUSE',
  });
});
