// Checks that no packet goes to a forbidden address, whatever DNS says and when it says it; and how names are asked for.
import { FakeClock } from '#clock';
import { describe, expect, it, onTestFinished } from 'vitest';
import { OK, startRawServer } from '../test/servers.ts';
import { AddressGuard, HttpSender, type GuardOptions, type HttpSenderOptions } from './index.ts';
import { sharedResolve } from './resolver.ts';

// Only 127.0.0.2 is exempt: 127.0.0.1, where the server listens too, stands for the forbidden inside.
const options: GuardOptions = { allowHttp: true, allowedCidrs: ['127.0.0.2/32'], allowedPorts: [443] };

function makeSender(changes: Partial<HttpSenderOptions> = {}): HttpSender {
  const sender = new HttpSender({ guard: new AddressGuard(options), ...changes });
  onTestFinished(() => sender.close());
  return sender;
}

const send = (sender: HttpSender, url: string) =>
  sender.send({ url, headers: {}, body: Buffer.from('{}'), timeoutMs: 5_000, connections: 1 });

describe('a target', () => {
  it.each([
    ['http://127.0.0.1', 'loopback'],
    ['http://2130706433', 'loopback'],
    ['http://0x7f.1', 'loopback'],
    ['http://017700000001', 'loopback'],
    ['http://127.0.0.1.', 'loopback'],
    ['http://１２７.0.0.1', 'loopback'],
    ['http://%31%32%37.0.0.1', 'loopback'],
    ['http://[::ffff:127.0.0.1]', 'tunnel'],
    ['http://[::1]', 'loopback'],
    ['http://localhost', 'loopback'],
    ['http://user@127.0.0.2', 'userinfo'],
    ['ftp://127.0.0.2', 'scheme'],
    ['nonsense', 'url'],
  ])('is refused when its URL is %s', async (url, blockReason) => {
    const server = await startRawServer((socket) => socket.write(OK));
    const result = await send(makeSender(), `${url}:${server.port}/`);
    expect(result).toEqual({
      kind: 'failed',
      errorClass: 'blocked_target',
      blockReason,
      durationMs: 0,
      bytesSent: false,
    });
    expect(server.connections).toBe(0);
  });

  it.each<[string, string[], string]>([
    ['a forbidden address', ['127.0.0.1'], 'loopback'],
    ['the metadata service', ['169.254.169.254'], 'metadata'],
    ['a mapped address', ['::ffff:127.0.0.1'], 'tunnel'],
    ['a good and a forbidden address', ['127.0.0.2', '127.0.0.1'], 'loopback'],
    [
      'a forbidden address behind many good ones',
      [...Array.from({ length: 20 }, () => '127.0.0.2'), '10.0.0.1'],
      'private',
    ],
    ['a public address, on a port that is not allowed', ['8.8.8.8'], 'port'],
    ['something that is no address', ['127.1'], 'unreadable'],
  ])('is refused when its name has %s', async (_what, addresses, blockReason) => {
    const server = await startRawServer((socket) => socket.write(OK));
    const result = await send(
      makeSender({ resolve: () => Promise.resolve(addresses) }),
      `http://name.example:${server.port}/`,
    );
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'blocked_target', blockReason, bytesSent: false });
    expect(server.connections).toBe(0);
  });

  it('is reached at the vetted address: the name is asked for once per connection, and not again by the socket', async () => {
    const server = await startRawServer(
      (socket) => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'),
      '127.0.0.2',
    );
    const asked: string[] = [];
    const resolve = (host: string) => {
      asked.push(host);
      return Promise.resolve([asked.length === 1 ? '127.0.0.2' : '127.0.0.1']);
    };
    const result = await send(makeSender({ resolve }), `http://Rebinding.example.:${server.port}/`);
    expect(result).toMatchObject({ kind: 'response', statusCode: 200 });
    expect(asked).toEqual(['rebinding.example']);
    expect(server.requests[0]).toContain(`host: rebinding.example:${server.port}\r\n`);
  });

  it('is refused as soon as its name changes to a forbidden address', async () => {
    const clock = new FakeClock();
    const good = await startRawServer(
      (socket) => socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n'),
      '127.0.0.2',
    );
    let address = '127.0.0.2';
    const sender = makeSender({ clock, resolve: () => Promise.resolve([address]) });
    expect(await send(sender, `http://name.example:${good.port}/`)).toMatchObject({ statusCode: 200 });
    address = '127.0.0.1';
    clock.advance(5_000);
    expect(await send(sender, `http://name.example:${good.port}/`)).toMatchObject({ errorClass: 'blocked_target' });
    expect(good.connections).toBe(1);
  });

  it('with several addresses is reached at another one when the first refuses', async () => {
    const server = await startRawServer((socket) => socket.write(OK), '127.0.0.2');
    const guard = new AddressGuard({ ...options, allowedCidrs: ['127.0.0.0/8'] });
    const sender = makeSender({ guard, resolve: () => Promise.resolve(['127.0.0.3', '127.0.0.2']) });
    expect(await send(sender, `http://name.example:${server.port}/`)).toMatchObject({
      kind: 'response',
      statusCode: 200,
    });
  });

  it('named localhost is loopback as far as that is exempt, without asking DNS', async () => {
    const server = await startRawServer((socket) => socket.write(OK));
    const guard = new AddressGuard({ ...options, allowedCidrs: ['127.0.0.0/8'] });
    const sender = makeSender({ guard, resolve: () => Promise.reject(new Error('asked')) });
    expect(await send(sender, `http://localhost:${server.port}/`)).toMatchObject({ kind: 'response', statusCode: 200 });
  });
});

describe('a name', () => {
  it.each([
    [
      'does not exist',
      Object.assign(new Error('getaddrinfo ENOTFOUND internal.example'), { code: 'ENOTFOUND' }),
      'dns',
    ],
    ['cannot be asked for now', Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' }), 'dns'],
    ['cannot be asked for want of sockets here', Object.assign(new Error('EMFILE'), { code: 'EMFILE' }), 'local_fault'],
  ])('that %s fails with its class, and the next attempt asks again', async (_what, error, errorClass) => {
    const server = await startRawServer((socket) => socket.write(OK), '127.0.0.2');
    let times = 0;
    const resolve = () => (times++ === 0 ? Promise.reject(error) : Promise.resolve(['127.0.0.2']));
    const sender = makeSender({ resolve });
    expect(await send(sender, `http://name.example:${server.port}/`)).toMatchObject({
      kind: 'failed',
      errorClass,
      bytesSent: false,
    });
    expect(await send(sender, `http://name.example:${server.port}/`)).toMatchObject({ kind: 'response' });
  });

  it('without addresses fails with class dns', async () => {
    const result = await send(makeSender({ resolve: () => Promise.resolve([]) }), 'http://name.example:443/');
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'dns', bytesSent: false });
  });

  it('that does not exist fails with class dns when the operating system is asked', async () => {
    const result = await send(makeSender(), 'http://no-such-name.invalid:443/');
    expect(result).toMatchObject({
      kind: 'failed',
      errorClass: expect.stringMatching(/^(dns|timeout)$/),
      bytesSent: false,
    });
  });
});

describe('sharedResolve', () => {
  it('asks once for all who ask at the same time, and again after five seconds', async () => {
    const clock = new FakeClock();
    let asked = 0;
    const resolve = sharedResolve(() => Promise.resolve([`8.8.8.${++asked}`]), clock);
    expect(await Promise.all([resolve('a'), resolve('a')])).toEqual([['8.8.8.1'], ['8.8.8.1']]);
    clock.advance(4_999);
    expect(await resolve('a')).toEqual(['8.8.8.1']);
    clock.advance(1);
    expect(await resolve('a')).toEqual(['8.8.8.2']);
    expect(await resolve('b')).toEqual(['8.8.8.3']);
  });

  it('does not keep a failure', async () => {
    let asked = 0;
    const resolve = sharedResolve(
      () => (++asked === 1 ? Promise.reject(new Error('SERVFAIL')) : Promise.resolve(['8.8.8.8'])),
      new FakeClock(),
    );
    await expect(resolve('a')).rejects.toThrow('SERVFAIL');
    expect(await resolve('a')).toEqual(['8.8.8.8']);
  });

  it('stays bounded over any number of names', async () => {
    let asked = 0;
    const resolve = sharedResolve(() => Promise.resolve([`8.8.8.8#${++asked}`]), new FakeClock());
    for (let i = 0; i < 3_000; i++) await resolve(`name-${i}`);
    await resolve('name-2999');
    expect(asked).toBe(3_000);
    await resolve('name-0');
    expect(asked).toBe(3_001);
  });
});
