// Checks one attempt against receivers that answer well, badly, slowly, for ever or not at all.
import { gzipSync } from 'node:zlib';
import { FakeClock, systemClock } from '#clock';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePort, OK, startRawServer, type Answer, type RawServer } from '../test/servers.ts';
import { AddressGuard, HttpSender, type HttpRequest, type HttpResult, type HttpSenderOptions } from './index.ts';

const guard = new AddressGuard({ allowHttp: true, allowedCidrs: ['127.0.0.0/8'], allowedPorts: [443] });
const body = Buffer.from('{"event":1}');

function makeSender(options: Partial<HttpSenderOptions> = {}): HttpSender {
  const sender = new HttpSender({ guard, ...options });
  onTestFinished(() => sender.close());
  return sender;
}

function requestTo(server: { url: string }, changes: Partial<HttpRequest> = {}): HttpRequest {
  return {
    url: server.url,
    headers: { 'Content-Type': 'application/json' },
    body,
    timeoutMs: 5_000,
    connections: 4,
    ...changes,
  };
}

async function attempt(
  answer: Answer,
  changes: Partial<HttpRequest> = {},
): Promise<{ result: HttpResult; server: RawServer }> {
  const server = await startRawServer(answer);
  return { result: await makeSender().send(requestTo(server, changes)), server };
}

const until = (condition: () => boolean) =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 5_000, interval: 5 });

describe('a request', () => {
  it('carries the given headers and the very bytes of the body, and asks for no compression', async () => {
    const server = await startRawServer((socket) => socket.write(OK));
    const sender = makeSender({ userAgent: 'Waybill/1.2.3' });
    const bytes = Buffer.from([0, 255, 13, 10, 128]);
    const url = `${server.url}?tenant=a%20b#fragment`;
    await sender.send(requestTo({ url }, { headers: { 'X-Api-Key': 'k', 'X-Webhook-Attempt': '1' }, body: bytes }));
    expect(server.requests).toEqual([
      `POST /hook?tenant=a%20b HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\nconnection: keep-alive\r\nuser-agent: Waybill/1.2.3\r\n` +
        `accept-encoding: identity\r\nX-Api-Key: k\r\nX-Webhook-Attempt: 1\r\ncontent-length: 5\r\n\r\n${bytes.toString('latin1')}`,
    ]);
  });

  it('is not sent at all when one of its headers cannot be', async () => {
    for (const headers of [
      { 'X-Api-Key': 'a\r\nX-Evil: 1' },
      { 'bad name': 'v' },
      { 'Transfer-Encoding': 'chunked' },
      { Expect: '100-continue' },
    ]) {
      const { result, server } = await attempt((socket) => socket.write(OK), { headers });
      expect(result).toMatchObject({ kind: 'failed', errorClass: 'invalid_request', bytesSent: false });
      expect(server.connections).toBe(0);
    }
  });
});

describe('a response', () => {
  it('is returned with its status, headers, body and duration', async () => {
    const { result } = await attempt((socket) =>
      socket.write('HTTP/1.1 202 Accepted\r\nX-Request-Id: 7\r\nVia: a\r\nvia: b\r\nContent-Length: 7\r\n\r\nthanks!'),
    );
    expect(result).toEqual({
      kind: 'response',
      statusCode: 202,
      headers: { 'x-request-id': '7', via: 'a, b', 'content-length': '7' },
      bodyHead: 'thanks!',
      durationMs: expect.any(Number),
    });
  });

  it.each([204, 301, 302, 307, 308, 304, 400, 401, 404, 408, 410, 429, 500, 502, 503, 599])(
    'with status %i is an answer like any other',
    async (status) => {
      const { result } = await attempt((socket) =>
        socket.write(`HTTP/1.1 ${status} X\r\nretry-after: 120\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`),
      );
      expect(result).toMatchObject({ kind: 'response', statusCode: status, headers: { 'retry-after': '120' } });
    },
  );

  it('that redirects is not followed', async () => {
    const inner = await startRawServer((socket) => socket.write(OK));
    const { result } = await attempt((socket) =>
      socket.write(`HTTP/1.1 307 Moved\r\nlocation: ${inner.url}\r\ncontent-length: 0\r\n\r\n`),
    );
    expect(result).toMatchObject({ kind: 'response', statusCode: 307, headers: { location: inner.url } });
    expect(inner.connections).toBe(0);
  });

  it('that is compressed is not unpacked', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000));
    const { result } = await attempt((socket) => {
      socket.write(`HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${bomb.length}\r\n\r\n`);
      socket.write(bomb);
    });
    expect(result).toMatchObject({
      kind: 'response',
      statusCode: 200,
      bodyHead: bomb.toString('utf8').replaceAll('\0', '\ufffd'),
    });
  });

  it('that comes in chunks is put together, and what is not UTF-8 text is replaced', async () => {
    const { result } = await attempt((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nZo\xc3\r\n', 'latin1');
      setImmediate(() => socket.write('4\r\n\xab \xff\0\r\n0\r\n\r\n', 'latin1'));
    });
    expect(result).toMatchObject({ bodyHead: 'Zoë \ufffd\ufffd' });
  });

  it('may be preceded by informational ones', async () => {
    const { result } = await attempt((socket) => socket.write(`HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${OK}`));
    expect(result).toMatchObject({ kind: 'response', statusCode: 200 });
  });

  it('without a length ends with the connection', async () => {
    const { result } = await attempt((socket) => socket.end('HTTP/1.0 200 OK\r\n\r\nbye'));
    expect(result).toMatchObject({ kind: 'response', statusCode: 200, bodyHead: 'bye' });
  });
});

describe('success is decided by the status line', () => {
  it('when the connection closes in the middle of the body', async () => {
    const { result } = await attempt((socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npartial'));
    expect(result).toMatchObject({ kind: 'response', statusCode: 200, bodyHead: 'partial' });
  });

  it('when the connection is reset in the middle of the body', async () => {
    const { result } = await attempt((socket) =>
      socket.write('HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n', () =>
        setImmediate(() => socket.resetAndDestroy()),
      ),
    );
    expect(result).toMatchObject({ kind: 'response', statusCode: 201 });
  });

  it('when the body turns to garbage', async () => {
    const { result } = await attempt((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\nnonsense'),
    );
    expect(result).toMatchObject({ kind: 'response', statusCode: 200, bodyHead: 'ok' });
  });

  const half: Answer = (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf');

  it('when the deadline passes during the body', async () => {
    const { result } = await attempt(half, { timeoutMs: 100 });
    expect(result).toMatchObject({ kind: 'response', statusCode: 200, bodyHead: 'half' });
  });

  it('when the caller gives up during the body', async () => {
    const controller = new AbortController();
    const answer: Answer = (socket, ...rest) => {
      half(socket, ...rest);
      setTimeout(() => controller.abort(), 50); // Time for the answer to arrive; too short, and the class would be "aborted".
    };
    const { result } = await attempt(answer, { signal: controller.signal });
    expect(result).toMatchObject({ kind: 'response', statusCode: 200 });
  });

  it('when the body never ends: 16 KiB are kept, then the connection is closed', async () => {
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const { result, server } = await attempt((socket) => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on('drain', pour);
      pour();
    });
    expect(result).toMatchObject({ kind: 'response', statusCode: 200, bodyHead: 'x'.repeat(16 * 1024) });
    await until(() => server.sockets.size === 0);
  });

  it('when the body is larger than it said', async () => {
    const { result } = await attempt((socket) =>
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok and more'),
    );
    expect(result).toMatchObject({ kind: 'response', statusCode: 200, bodyHead: 'ok' });
  });
});

describe('a failure', () => {
  it('is connection_refused where nothing listens, and nothing was sent', async () => {
    const result = await makeSender().send(requestTo({ url: `http://127.0.0.1:${await freePort()}/` }));
    expect(result).toEqual({
      kind: 'failed',
      errorClass: 'connection_refused',
      bytesSent: false,
      durationMs: expect.any(Number),
    });
  });

  it.each<[string, Answer]>([
    ['closes after the request', (socket) => socket.end()],
    ['resets after the request', (socket) => socket.resetAndDestroy()],
    ['closes in the status line', (socket) => socket.end('HTTP/1.1 20')],
    ['closes in the headers', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')],
    ['resets in the headers', (socket) => socket.write('HTTP/1.1 200 OK\r\n', () => socket.resetAndDestroy())],
  ])('is connection_reset where the receiver %s: the outcome is unknown', async (_what, answer) => {
    const { result } = await attempt(answer);
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'connection_reset', bytesSent: true });
  });

  it('is connection_reset where the receiver resets before it has read the request', async () => {
    const server = await startRawServer(() => undefined);
    const result = makeSender().send(requestTo(server, { body: Buffer.alloc(8_000_000) }));
    await until(() => server.sockets.size === 1);
    for (const socket of server.sockets) socket.resetAndDestroy();
    expect(await result).toMatchObject({ kind: 'failed', errorClass: 'connection_reset' });
  });

  it.each<[string, Answer]>([
    ['speaks another protocol', (socket) => socket.write('SSH-2.0-OpenSSH_9.9\r\n')],
    ['sends garbage', (socket) => socket.write(Buffer.alloc(1000, 0xfe))],
    ['sends HTTP/2', (socket) => socket.write(Buffer.from('000000040000000000', 'hex'))],
    [
      'sends contradicting lengths',
      (socket) => socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!'),
    ],
    [
      'switches protocols',
      (socket) => socket.write('HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n'),
    ],
    ['sends a 100 KB header', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`)],
    ['sends 10,000 headers', (socket) => socket.write(`HTTP/1.1 200 OK\r\n${'x: y\r\n'.repeat(10_000)}\r\n`)],
    ['sends an endless header', (socket) => socket.write(`HTTP/1.1 200 OK\r\nx: ${'y'.repeat(20_000)}`)],
  ])('is protocol where the receiver %s', async (_what, answer) => {
    const { result, server } = await attempt(answer);
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'protocol', bytesSent: true });
    await until(() => server.sockets.size === 0);
  });

  it('shows no raw error: only class, duration and whether bytes were sent', async () => {
    const { result } = await attempt((socket) => socket.resetAndDestroy());
    expect(Object.keys(result).toSorted()).toEqual(['bytesSent', 'durationMs', 'errorClass', 'kind']);
  });
});

describe('the one deadline', () => {
  const drip =
    (text: string): Answer =>
    (socket) => {
      let next = 0;
      const timer = setInterval(() => socket.write(text[next++ % text.length]!), 5);
      socket.on('close', () => clearInterval(timer));
    };
  const repeat =
    (text: string): Answer =>
    (socket) => {
      const timer = setInterval(() => socket.write(text), 5);
      socket.on('close', () => clearInterval(timer));
    };

  it.each<[string, Answer]>([
    ['never answers', () => undefined],
    ['drips its status line', drip(`HTTP/1.1 200 ${'O'.repeat(10_000)}`)],
    ['drips its headers', drip(`HTTP/1.1 200 OK\r\n${'a: b\r\n'.repeat(1000)}`)],
    ['sends informational answers for ever', repeat('HTTP/1.1 103 Early Hints\r\n\r\n')],
    ['sends processing notices for ever', repeat('HTTP/1.1 102 Processing\r\nx: y\r\n\r\n')],
  ])('cuts off a receiver that %s, and frees the connection', async (_what, answer) => {
    const startedAt = systemClock.monotonic();
    const { result, server } = await attempt(answer, { timeoutMs: 300 });
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'timeout', bytesSent: true });
    expect(systemClock.monotonic() - startedAt).toBeGreaterThanOrEqual(295);
    expect(systemClock.monotonic() - startedAt).toBeLessThan(2_000);
    await until(() => server.sockets.size === 0);
  });

  it('counts the answer, not the time, of a receiver that drips its body', async () => {
    const { result, server } = await attempt(
      (socket, ...rest) => {
        socket.write('HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n');
        drip('zz')(socket, ...rest);
      },
      { timeoutMs: 300 },
    );
    expect(result).toMatchObject({ kind: 'response', statusCode: 200, bodyHead: expect.stringMatching(/^z+$/) });
    await until(() => server.sockets.size === 0);
  });

  it('covers a name server that is silent', async () => {
    const clock = new FakeClock();
    const sender = makeSender({ clock, resolve: () => new Promise(() => undefined) });
    const result = sender.send(requestTo({ url: 'http://silent.example:443/' }, { timeoutMs: 30_000 }));
    clock.advance(30_000);
    expect(await result).toEqual({ kind: 'failed', errorClass: 'timeout', durationMs: 30_000, bytesSent: false });
  });

  it('covers a connection that is never made', async () => {
    // 192.0.2.1 is documentation space: routed nowhere, or refused at once, but never answered.
    const sender = makeSender({
      guard: new AddressGuard({ allowHttp: true, allowedCidrs: ['192.0.2.0/24'], allowedPorts: [] }),
    });
    const result = await sender.send(requestTo({ url: 'http://192.0.2.1:81/' }, { timeoutMs: 200 }));
    expect(result).toMatchObject({ kind: 'failed', bytesSent: false });
    expect(['timeout', 'unreachable', 'connection_refused']).toContain((result as { errorClass: string }).errorClass);
  });

  it('covers a TLS handshake that is never answered', async () => {
    const server = await startRawServer(() => undefined);
    const result = await makeSender().send(requestTo({ url: `https://127.0.0.1:${server.port}/` }, { timeoutMs: 200 }));
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'timeout', bytesSent: false });
    await until(() => server.sockets.size === 0);
  });

  it('leaves no timer behind once the answer is there', async () => {
    const clock = new FakeClock();
    const server = await startRawServer((socket) => socket.write(OK));
    await makeSender({ clock }).send(requestTo(server));
    expect(clock.pending).toBe(0);
  });
});

describe('an abort signal', () => {
  it('stops every request that it was given to, with class aborted', async () => {
    const server = await startRawServer(() => undefined);
    const controller = new AbortController();
    const sender = makeSender();
    const results = [1, 2, 3].map(() => sender.send(requestTo(server, { signal: controller.signal })));
    await until(() => server.requests.length === 3);
    controller.abort();
    for (const result of await Promise.all(results)) {
      expect(result).toMatchObject({ kind: 'failed', errorClass: 'aborted', bytesSent: true });
    }
    await until(() => server.sockets.size === 0);
  });

  it('that is aborted already prevents the request', async () => {
    const server = await startRawServer((socket) => socket.write(OK));
    const result = await makeSender().send(requestTo(server, { signal: AbortSignal.abort() }));
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'aborted', bytesSent: false });
    expect(server.connections).toBe(0);
  });

  it('stops a request that is still looking up its name, and the request is never sent', async () => {
    const controller = new AbortController();
    let answer: (addresses: string[]) => void = () => undefined;
    const server = await startRawServer((socket) => socket.write(OK));
    const sender = makeSender({ resolve: () => new Promise((resolve) => (answer = resolve)) });
    const result = sender.send(
      requestTo({ url: `http://slow.example:${server.port}/` }, { signal: controller.signal }),
    );
    await Promise.resolve();
    controller.abort();
    expect(await result).toMatchObject({ kind: 'failed', errorClass: 'aborted', bytesSent: false });
    answer(['127.0.0.1']);
    await new Promise((resolve) => setImmediate(resolve));
    expect(server.connections).toBe(0);
  });

  it('gets one listener, however many requests it serves', async () => {
    const server = await startRawServer((socket) => socket.write(OK));
    const { signal } = new AbortController();
    const listen = vi.spyOn(signal, 'addEventListener');
    const sender = makeSender();
    for (let i = 0; i < 5; i++) await sender.send(requestTo(server, { signal }));
    expect(listen).toHaveBeenCalledTimes(1);
  });
});
