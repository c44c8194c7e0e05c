// Checks one attempt against receivers that answer well, badly, too much or not at all; slow ones are in deadline.spec.ts.
import { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { freePort, OK, startEagerServer, startRawServer, type Answer, type RawServer } from '../test/servers.ts';
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

  it.each([300, 301, 302, 303, 305, 307, 308])(
    'that redirects with %i is not followed, wherever it points',
    async (status) => {
      const inner = await startRawServer((socket) => socket.write(OK));
      const connect = vi.spyOn(Socket.prototype, 'connect');
      onTestFinished(() => void vi.restoreAllMocks());
      for (const location of [
        inner.url,
        'http://169.254.169.254/latest/meta-data/',
        '//127.0.0.1/',
        'file:///etc/passwd',
      ]) {
        const { result } = await attempt((socket) =>
          socket.write(
            `HTTP/1.1 ${status} Moved\r\nlocation: ${location}\r\nrefresh: 0; url=${location}\r\ncontent-length: 0\r\n\r\n`,
          ),
        );
        expect(result).toMatchObject({ kind: 'response', statusCode: status, headers: { location } });
      }
      expect([inner.connections, connect.mock.calls.length]).toEqual([0, 4]);
    },
  );

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
    const { result } = await attempt(half, { timeoutMs: 1_000 });
    expect(result).toMatchObject({ kind: 'response', statusCode: 200, bodyHead: 'half' });
  });

  it('when the caller gives up during the body', async () => {
    const controller = new AbortController();
    const answer: Answer = (socket, ...rest) => {
      half(socket, ...rest);
      // Time for the answer to arrive, and a turn to read it even if this process stood still: else the class would be "aborted".
      setTimeout(() => setImmediate(() => controller.abort()), 500);
    };
    const { result } = await attempt(answer, { signal: controller.signal });
    expect(result).toMatchObject({ kind: 'response', statusCode: 200 });
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
    ['resets in the status line', (socket) => socket.write('HTTP/1.1 20', () => socket.resetAndDestroy())],
    ['closes in the headers', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')],
    ['resets in the headers', (socket) => socket.write('HTTP/1.1 200 OK\r\n', () => socket.resetAndDestroy())],
  ])('is connection_reset where the receiver %s: the outcome is unknown', async (_what, answer) => {
    const { result } = await attempt(answer);
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'connection_reset', bytesSent: true });
  });

  it('is connection_reset where the receiver resets as soon as it has accepted', async () => {
    const server = await startEagerServer((socket) => socket.resetAndDestroy());
    const result = await makeSender().send(requestTo(server));
    expect(result).toMatchObject({ kind: 'failed', errorClass: 'connection_reset' });
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

describe('an answer without end', () => {
  /** Writes as fast as the other side takes it. */
  const pourAfter =
    (head: string, text: string): Answer =>
    (socket) => {
      const chunk = text.repeat(Math.ceil(65_536 / text.length));
      const pour = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.write(head);
      socket.on('drain', pour);
      pour();
    };
  const protocol = { kind: 'failed', errorClass: 'protocol', bytesSent: true };

  it.each<[string, Answer, object]>([
    ['body', pourAfter('HTTP/1.1 200 OK\r\n\r\n', 'x'), { statusCode: 200, bodyHead: 'x'.repeat(16 * 1024) }],
    [
      'row of chunks',
      pourAfter('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n', '1\r\nx\r\n'),
      { statusCode: 200, bodyHead: 'x'.repeat(16 * 1024) },
    ],
    [
      'row of trailers',
      pourAfter('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n', 'a: b\r\n'),
      { statusCode: 200 },
    ],
    ['header', pourAfter('HTTP/1.1 200 OK\r\nx: ', 'y'), protocol],
    ['header’s name', pourAfter('HTTP/1.1 200 OK\r\n', 'y'), protocol],
    ['row of headers', pourAfter('HTTP/1.1 200 OK\r\n', 'a: b\r\n'), protocol],
    ['row of informational headers', pourAfter('HTTP/1.1 103 Early Hints\r\n', 'a: b\r\n'), protocol],
    ['stream of garbage', pourAfter('', '\xfe'), protocol],
  ])('(a %s) is cut off long before the deadline, with no more read than buffers hold', async (_what, answer, said) => {
    const written: number[] = [];
    const { result, server } = await attempt(
      (socket, ...rest) => {
        socket.on('close', () => written.push(socket.bytesWritten));
        answer(socket, ...rest);
      },
      { timeoutMs: 60_000 },
    );
    expect(result).toMatchObject(said);
    await until(() => server.sockets.size === 0);
    // The kernel's own buffers on a loopback connection hold a few MB of it.
    expect(written).toHaveLength(1);
    expect(written[0]).toBeLessThan(16 * 1024 * 1024);
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
