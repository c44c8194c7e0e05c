// Checks how connections are kept, shared, limited and closed.
import { networkInterfaces } from 'node:os';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { OK, startRawServer, type RawServer } from '../test/servers.ts';
import { AddressGuard, HttpSender, type HttpRequest, type HttpSenderOptions } from './index.ts';

const guard = new AddressGuard({ allowHttp: true, allowedCidrs: ['127.0.0.0/8'], allowedPorts: [] });

function makeSender(options: Partial<HttpSenderOptions> = {}): HttpSender {
  const sender = new HttpSender({ guard, ...options });
  onTestFinished(() => sender.close());
  return sender;
}

function requestTo(server: { url: string }, changes: Partial<HttpRequest> = {}): HttpRequest {
  return { url: server.url, headers: {}, body: Buffer.from('{}'), timeoutMs: 5_000, connections: 4, ...changes };
}

const until = (condition: () => boolean) =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 5_000, interval: 5 });

/** Answers only when `held` requests have come, so that all of them are in flight at once. */
async function startHoldingServer(held: number): Promise<RawServer> {
  const waiting: (() => void)[] = [];
  return startRawServer((socket) => {
    waiting.push(() => socket.write(OK));
    if (waiting.length >= held) for (const answer of waiting.splice(0)) answer();
  });
}

describe('connections', () => {
  it('serve one request after the other', async () => {
    const server = await startRawServer((socket) => socket.write(OK));
    const sender = makeSender();
    for (let i = 0; i < 20; i++) expect(await sender.send(requestTo(server))).toMatchObject({ statusCode: 200 });
    expect(server.connections).toBe(1);
  });

  it('are shared by the endpoints of one origin', async () => {
    const server = await startRawServer((socket) => socket.write(OK));
    const sender = makeSender();
    await sender.send(requestTo({ url: `${server.url}/a` }));
    await sender.send(requestTo({ url: `${server.url}/b?c` }));
    expect(server.connections).toBe(1);
    expect(server.requests.map((request) => request.split(' ')[1])).toEqual(['/hook/a', '/hook/b?c']);
  });

  it('never make a request wait for another: each in flight has its own', async () => {
    const server = await startHoldingServer(10);
    const sender = makeSender();
    const results = await Promise.all(
      Array.from({ length: 10 }, () => sender.send(requestTo(server, { connections: 2 }))),
    );
    expect(results.every((result) => result.kind === 'response')).toBe(true);
    expect(server.connections).toBe(10);
  });

  it('beyond the endpoint’s limit are closed when they fall idle', async () => {
    const server = await startHoldingServer(6);
    const sender = makeSender();
    await Promise.all(Array.from({ length: 6 }, () => sender.send(requestTo(server, { connections: 2 }))));
    expect([sender.inFlight, sender.idleConnections]).toEqual([0, 2]);
    await until(() => server.sockets.size === 2);
  });

  it('that the receiver closes are replaced without a failed attempt', async () => {
    const server = await startRawServer((socket) => {
      socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
    });
    const sender = makeSender();
    for (let i = 0; i < 5; i++) expect(await sender.send(requestTo(server))).toMatchObject({ statusCode: 200 });
    expect(server.connections).toBe(5);
  });

  it('that the receiver closes while idle are replaced without a failed attempt', async () => {
    const server = await startRawServer((socket) => socket.write(OK));
    const sender = makeSender();
    for (let i = 1; i <= 3; i++) {
      expect(await sender.send(requestTo(server))).toMatchObject({ statusCode: 200 });
      for (const socket of server.sockets) socket.destroy();
      await until(() => sender.idleConnections === 0);
    }
    expect(server.connections).toBe(3);
  });

  it('that the receiver resets on reuse make an ambiguous attempt, never a second request', async () => {
    const server = await startRawServer((socket, _request, count) =>
      count === 1 ? socket.write(OK) : socket.resetAndDestroy(),
    );
    const sender = makeSender();
    await sender.send(requestTo(server));
    expect(await sender.send(requestTo(server))).toMatchObject({ errorClass: 'connection_reset', bytesSent: true });
    expect(server.requests.length).toBe(2);
  });

  it('obey a receiver’s hint that they are not kept', async () => {
    const server = await startRawServer((socket) =>
      socket.write('HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n'),
    );
    const sender = makeSender();
    await sender.send(requestTo(server));
    await until(() => server.sockets.size === 0);
  });

  it('take unasked bytes from a receiver as an end of the connection, not as the next answer', async () => {
    const server = await startRawServer((socket) =>
      socket.write(`${OK}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged`),
    );
    const sender = makeSender();
    for (let i = 0; i < 3; i++) {
      const result = await sender.send(requestTo(server));
      expect(result).not.toMatchObject({ bodyHead: 'forged' });
    }
  });

  it('of an aborted or late request are not used again', async () => {
    const server = await startRawServer((socket, _request, count) => void (count > 1 && socket.write(OK)));
    const sender = makeSender();
    expect(await sender.send(requestTo(server, { timeoutMs: 50 }))).toMatchObject({ errorClass: 'timeout' });
    expect(await sender.send(requestTo(server))).toMatchObject({ statusCode: 200 });
    expect(server.connections).toBe(2);
    await until(() => server.sockets.size === 1);
  });
});

describe('an IPv6 literal', () => {
  it('is connected to as it is', async ({ skip }) => {
    const hasIpv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === '::1'));
    if (!hasIpv6) skip('this machine has no IPv6 loopback');
    const server = await startRawServer((socket) => socket.write(OK), '::1');
    const sender = makeSender({
      guard: new AddressGuard({ allowHttp: true, allowedCidrs: ['::1/128'], allowedPorts: [] }),
    });
    const url = `http://[0:0:0:0:0:0:0:1]:${server.port}/`;
    expect(await sender.send(requestTo({ url }))).toMatchObject({ kind: 'response', statusCode: 200 });
    expect(server.requests[0]).toContain(`host: [::1]:${server.port}\r\n`);
  });
});

describe('origins', () => {
  it('are limited: the one unused for longest loses its idle connections', async () => {
    const servers = await Promise.all([1, 2, 3].map(() => startRawServer((socket) => socket.write(OK))));
    const [first, second, third] = servers as [RawServer, RawServer, RawServer];
    const sender = makeSender({ maxOrigins: 2 });
    await sender.send(requestTo(first));
    await sender.send(requestTo(second));
    await sender.send(requestTo(first));
    await sender.send(requestTo(third));
    await until(() => second.sockets.size === 0);
    expect([first.sockets.size, third.sockets.size]).toEqual([1, 1]);
    expect(await sender.send(requestTo(second))).toMatchObject({ statusCode: 200 });
  });

  it('that lose their place finish the requests in flight first', async () => {
    const slow = await startHoldingServer(2);
    const other = await startRawServer((socket) => socket.write(OK));
    const sender = makeSender({ maxOrigins: 1 });
    const first = sender.send(requestTo(slow));
    await until(() => slow.requests.length === 1);
    expect(await sender.send(requestTo(other))).toMatchObject({ statusCode: 200 });
    const second = sender.send(requestTo(slow));
    expect([await first, await second]).toMatchObject([{ statusCode: 200 }, { statusCode: 200 }]);
  });
});

describe('close', () => {
  it('lets requests in flight end, closes their connections, and refuses new ones', async () => {
    const server = await startHoldingServer(2);
    const sender = makeSender();
    const first = sender.send(requestTo(server));
    const second = sender.send(requestTo(server));
    const closed = sender.close();
    expect(await sender.send(requestTo(server))).toMatchObject({ errorClass: 'aborted', bytesSent: false });
    expect([await first, await second]).toMatchObject([{ statusCode: 200 }, { statusCode: 200 }]);
    await closed;
    await until(() => server.sockets.size === 0);
  });
});
