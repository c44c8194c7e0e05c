// Checks that no packet goes to a forbidden target: not one socket is even asked to connect, and no name is asked for in vain.
import { isIP, Socket } from 'node:net';
import { FakeClock } from '#clock';
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { BAD_URLS, FORBIDDEN_HOSTS } from '../test/forbidden-targets.ts';
import { type Answer, OK, startRawServer, startTwinServers } from '../test/servers.ts';
import { AddressGuard, HttpSender, type HttpResult, type HttpSenderOptions, type Resolve } from './index.ts';

const strict = { allowHttp: true, allowedCidrs: [], allowedPorts: [80, 443, 8443] };
// 127.0.0.2 stands for the outside world, 127.0.0.1 for what must not be reached.
const permitted = { ...strict, allowedCidrs: ['127.0.0.2/32'] };
const hosts = FORBIDDEN_HOSTS.flatMap(([reason, names]) => names.map((host) => [host, reason] as const));
const addresses = hosts
  .map(([host, reason]) => [host.replaceAll(/[[\]]/g, ''), reason] as const)
  .filter(([host]) => isIP(host) > 0);

const blocked = (blockReason: unknown) => ({
  kind: 'failed',
  errorClass: 'blocked_target',
  blockReason,
  bytesSent: false,
});

/** A new connection for each request, so that its name is asked for each time. */
const closing: Answer = (socket) => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n');

/** Calls of this are all connections that anything in this process tries to make, TLS or not. */
let connect: { mock: { calls: unknown[] } };
beforeEach(() => {
  connect = vi.spyOn(Socket.prototype, 'connect');
  onTestFinished(() => void vi.restoreAllMocks());
});

function makeSender(options: Partial<HttpSenderOptions> = {}): HttpSender {
  const sender = new HttpSender({ guard: new AddressGuard(strict), ...options });
  onTestFinished(() => sender.close());
  return sender;
}

const send = (sender: HttpSender, url: string): Promise<HttpResult> =>
  sender.send({ url, headers: {}, body: Buffer.from('{}'), timeoutMs: 5_000, connections: 1 });

describe('the corpus', () => {
  it('is as large as it was: a shorter one proves less', () => {
    expect([hosts.length >= 100, addresses.length >= 60, BAD_URLS.length >= 50]).toEqual([true, true, true]);
  });

  it('is noticed when it is connected to: a permitted target makes one connection', async () => {
    const server = await startRawServer((socket) => socket.write(OK), '127.0.0.2');
    expect(await send(makeSender({ guard: new AddressGuard(permitted) }), server.url)).toMatchObject({
      statusCode: 200,
    });
    expect(connect.mock.calls).toHaveLength(1);
  });

  it.each(hosts)('https and http://%s are refused as %s, unasked and unconnected', async (host, reason) => {
    const resolve = vi.fn<Resolve>(() => Promise.resolve(['8.8.8.8']));
    const sender = makeSender({ resolve });
    for (const url of [`https://${host}/`, `http://${host}/`, `https://${host}:8443/hook`]) {
      expect(await send(sender, url)).toMatchObject(blocked(reason));
    }
    expect([resolve.mock.calls.length, connect.mock.calls.length]).toEqual([0, 0]);
  });

  it.each(addresses)('a name that has the address %s is refused as %s, unconnected', async (address, reason) => {
    for (const answer of [[address], ['8.8.8.8', address], [address, '2606:4700:4700::1111']]) {
      const sender = makeSender({ resolve: () => Promise.resolve(answer) });
      expect(await send(sender, 'https://name.example/')).toMatchObject(blocked(reason));
    }
    expect(connect.mock.calls).toEqual([]);
  });

  it.each(BAD_URLS)('%j is refused, unasked and unconnected', async (url, code) => {
    const resolve = vi.fn<Resolve>(() => Promise.resolve(['8.8.8.8']));
    const guard = new AddressGuard({ ...strict, allowHttp: false, allowedPorts: [443, 8443] });
    const reason = code === 'syntax' || code === 'host' ? 'url' : code;
    expect(await send(makeSender({ guard, resolve }), url)).toMatchObject(blocked(reason));
    expect([resolve.mock.calls.length, connect.mock.calls.length]).toEqual([0, 0]);
  });
});

describe('rebinding: a name that was vetted', () => {
  it.each(['127.0.0.1', '169.254.169.254', '10.0.0.1', '::1', '::ffff:169.254.169.254'])(
    'and then has the address %s is not connected to there, on the same port, as often as it is tried',
    async (address) => {
      const { outside: good, inside } = await startTwinServers(closing);
      const clock = new FakeClock();
      let answer = '127.0.0.2';
      const guard = new AddressGuard(permitted);
      const sender = makeSender({ guard, clock, resolve: () => Promise.resolve([answer]) });
      const url = `http://rebinding.example:${good.port}/`;
      expect(await send(sender, url)).toMatchObject({ statusCode: 200 });
      const before = connect.mock.calls.length;
      answer = address;
      for (let attempt = 0; attempt < 3; attempt++) {
        clock.advance(5_000);
        expect(await send(sender, url)).toMatchObject(blocked(expect.any(String)));
      }
      expect(connect.mock.calls).toHaveLength(before);
      expect([good.connections, inside.connections]).toEqual([1, 0]);
      answer = '127.0.0.2';
      clock.advance(5_000);
      expect(await send(sender, url)).toMatchObject({ statusCode: 200 });
    },
  );

  it('and answers differently each time it is asked is connected to only when all of an answer is permitted', async () => {
    const { outside: good, inside } = await startTwinServers(closing);
    const clock = new FakeClock();
    const answers = [['127.0.0.2'], ['127.0.0.1'], ['127.0.0.2', '127.0.0.1'], ['127.0.0.1', '127.0.0.2']];
    let asked = 0;
    const guard = new AddressGuard(permitted);
    const sender = makeSender({
      guard,
      clock,
      resolve: () => Promise.resolve(answers[asked++ % answers.length]!),
    });
    const kinds: string[] = [];
    for (let attempt = 0; attempt < 8; attempt++) {
      kinds.push((await send(sender, `http://flipping.example:${good.port}/`)).kind);
      clock.advance(5_000);
    }
    expect(kinds).toEqual([0, 1].flatMap(() => ['response', 'failed', 'failed', 'failed']));
    expect([good.connections, inside.connections]).toEqual([2, 0]);
  });
});
