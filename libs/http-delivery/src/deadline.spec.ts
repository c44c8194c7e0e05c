// Checks the one deadline of an attempt: whoever is slow, in whatever phase, is cut off when it passes and keeps nothing of ours.
import { setTimeout as delay } from 'node:timers/promises';
import { FakeClock, systemClock } from '#clock';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { type Answer, OK, type RawServer, startBlackHole, startEagerServer, startRawServer } from '../test/servers.ts';
import { AddressGuard, HttpSender, type HttpRequest, type HttpResult, type HttpSenderOptions } from './index.ts';

const guard = new AddressGuard({ allowHttp: true, allowedCidrs: ['127.0.0.0/8'], allowedPorts: [443] });

function makeSender(options: Partial<HttpSenderOptions> = {}): HttpSender {
  const sender = new HttpSender({ guard, ...options });
  onTestFinished(() => sender.close());
  return sender;
}

function requestTo({ url }: { url: string }, changes: Partial<HttpRequest> = {}): HttpRequest {
  return { url, headers: {}, body: Buffer.from('{}'), timeoutMs: 5_000, connections: 4, ...changes };
}

/** Writes `text` byte by byte, again and again. */
const drip =
  (text: string, head = ''): Answer =>
  (socket) => {
    let next = 0;
    socket.write(head);
    const timer = setInterval(() => socket.write(text[next++ % text.length]!), 5);
    socket.on('close', () => clearInterval(timer));
  };

const repeat =
  (text: string): Answer =>
  (socket) => {
    const timer = setInterval(() => socket.write(text), 5);
    socket.on('close', () => clearInterval(timer));
  };

const CHUNKED = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';

/** Phase by phase: what the receiver does, and what the attempt has to say of it. */
const SLOW: [what: string, start: () => Promise<{ url: string } & Partial<RawServer>>, said: Partial<HttpResult>][] = [
  ['never accepts the connection', startBlackHole, { errorClass: 'timeout', bytesSent: false }],
  ['never answers the TLS handshake', eager(() => undefined), { errorClass: 'timeout', bytesSent: false }],
  [
    'drips its TLS handshake',
    // The header of a handshake record of 16 KiB, and zeros.
    eager((socket) => drip('\0', '\x16\x03\x03\x40\x00')(socket, '', 0)),
    { errorClass: 'timeout', bytesSent: false },
  ],
  ['never reads the request', deaf, { errorClass: 'timeout', bytesSent: true }],
  ['never answers', raw(() => undefined), { errorClass: 'timeout', bytesSent: true }],
  ['drips its status line', raw(drip('O', 'HTTP/1.1 200 ')), { errorClass: 'timeout', bytesSent: true }],
  ['drips its headers', raw(drip('a: b\r\n', 'HTTP/1.1 200 OK\r\n')), { errorClass: 'timeout', bytesSent: true }],
  [
    'sends informational answers for ever',
    raw(repeat('HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n')),
    { errorClass: 'timeout', bytesSent: true },
  ],
  ['sends processing notices for ever', raw(repeat('HTTP/1.1 102 Processing\r\n\r\n')), { errorClass: 'timeout' }],
  // The status was there in time: that is the answer. The time was spent all the same.
  [
    'drips its body',
    raw(drip('z', 'HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n')),
    { statusCode: 200, bodyHead: expect.stringMatching(/^z+$/) },
  ],
  ['drips its chunks', raw(drip('1\r\nz\r\n', CHUNKED)), { statusCode: 200 }],
  ['drips its trailers', raw(drip('a: b\r\n', `${CHUNKED}0\r\n`)), { statusCode: 200, bodyHead: '' }],
];

function raw(answer: Answer) {
  return () => startRawServer(answer);
}

function eager(greet: Parameters<typeof startEagerServer>[0]) {
  return async () => {
    const server = await startEagerServer(greet);
    return Object.assign(server, { url: `https://127.0.0.1:${server.port}/` });
  };
}

async function deaf() {
  return startEagerServer((socket) => void socket.pause());
}

/** How much later than asked for a plain timer is run here and now: on a busy machine, tenths of a second. */
async function lateness(ms: number): Promise<number> {
  const startedAt = systemClock.monotonic();
  await delay(ms);
  return systemClock.monotonic() - startedAt - ms;
}

const until = (condition: () => boolean) =>
  vi.waitFor(() => expect(condition()).toBe(true), { timeout: 10_000, interval: 5 });

describe('the one deadline', () => {
  it('cuts off everybody who is slow, within a tenth of it, and frees what they held', async () => {
    const timeoutMs = 2_000;
    const servers = await Promise.all(SLOW.map(([, start]) => start()));
    const sender = makeSender();
    const before = lateness(timeoutMs);
    // 8 MB: more than the kernel's buffers take of a request that nobody reads.
    const body = Buffer.alloc(8_000_000);
    const sent = servers.map((server, index) =>
      sender.send(requestTo(server, { timeoutMs, ...(SLOW[index]![1] === deaf ? { body } : {}) })),
    );
    const after = lateness(timeoutMs);
    expect(sender.inFlight).toBe(SLOW.length);
    const results = await Promise.all(sent);
    // Plain timers, one set before and one after, say how much of the delay is this machine's; the rest is ours, and may be a tenth.
    const late = Math.max(await before, await after);
    const most = timeoutMs * 1.1 + Math.min(late, timeoutMs);
    results.forEach((result, index) => {
      const [what, , said] = SLOW[index]!;
      expect({ what, ...result }).toMatchObject({ what, ...said });
      expect(result.durationMs, what).toBeGreaterThanOrEqual(timeoutMs * 0.9);
      expect(result.durationMs, what).toBeLessThanOrEqual(most);
    });
    expect([sender.inFlight, sender.idleConnections]).toEqual([0, 0]);
    // Who reads nothing does not see that the connection is gone.
    for (const { sockets } of servers) for (const socket of sockets ?? []) socket.resume();
    await until(() => servers.every(({ sockets }) => (sockets?.size ?? 0) === 0));
  }, 30_000);

  it.each<[string, string]>([
    ['informational answers', 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'.repeat(500)],
    ['a chunk’s extension', 'x'.repeat(16_384)],
  ])(
    'passes in a flood of %s as well: as fast as the line takes them',
    async (what, text) => {
      const server = await startRawServer((socket) => {
        if (what.includes('chunk')) socket.write(`${CHUNKED}1;`);
        const pour = () => {
          // A few at a time, so that the sender in this very process gets its turns.
          for (let n = 0; n < 8 && !socket.destroyed && socket.write(text); n++);
          if (!socket.destroyed && !socket.writableNeedDrain) setImmediate(pour);
        };
        socket.on('drain', pour);
        pour();
      });
      const sender = makeSender();
      const [result, late] = await Promise.all([sender.send(requestTo(server, { timeoutMs: 1_000 })), lateness(1_000)]);
      expect(result.durationMs).toBeGreaterThanOrEqual(900);
      expect(result.durationMs).toBeLessThanOrEqual(1_100 + Math.min(late, 2_000));
      await until(() => server.sockets.size === 0);
    },
    30_000,
  );

  it('gives the slot to the next attempt: the connection is new, and that one is answered', async () => {
    const server = await startRawServer((socket, _request, count) => void (count > 1 && socket.write(OK)));
    const sender = makeSender();
    expect(await sender.send(requestTo(server, { timeoutMs: 100 }))).toMatchObject({ errorClass: 'timeout' });
    expect(await sender.send(requestTo(server))).toMatchObject({ statusCode: 200 });
    expect([server.connections, sender.inFlight]).toEqual([2, 0]);
  });

  it('covers a name server that is silent', async () => {
    const clock = new FakeClock();
    const sender = makeSender({ clock, resolve: () => new Promise(() => undefined) });
    const result = sender.send(requestTo({ url: 'http://silent.example:443/' }, { timeoutMs: 30_000 }));
    clock.advance(30_000);
    expect(await result).toEqual({ kind: 'failed', errorClass: 'timeout', durationMs: 30_000, bytesSent: false });
  });

  it('does not give up an answer that came in time to a process that stood still', async () => {
    const server = await startRawServer((socket) => {
      socket.write(OK);
      // It lies in the socket while nothing of this process runs, until after the deadline.
      for (const until = performance.now() + 400; performance.now() < until;);
    });
    const result = await makeSender().send(requestTo(server, { timeoutMs: 200 }));
    expect(result).toMatchObject({ kind: 'response', statusCode: 200 });
  });

  it('leaves no timer behind once the answer is there', async () => {
    const clock = new FakeClock();
    const server = await startRawServer((socket) => socket.write(OK));
    await makeSender({ clock }).send(requestTo(server));
    expect(clock.pending).toBe(0);
  });
});
