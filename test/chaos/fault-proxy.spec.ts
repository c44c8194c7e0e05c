// The proxy between Waybill and its servers, with a small server of its own behind it.
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { until } from '#testkit';
import { FaultProxy } from './fault-proxy.ts';

let server: Server;
let received = '';
let proxy: FaultProxy;
let client: Socket;
let answered = '';

/** Answers each piece with the same bytes in brackets. */
beforeEach(async () => {
  received = answered = '';
  server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (piece) => {
      received += String(piece);
      socket.write(`[${String(piece)}]`);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  // The first number decides whether a COMMIT is cut, the second whether before or after the server has seen it.
  proxy = await FaultProxy.open({ listen: 0, target: port }, () => random.shift() ?? 0);
  client = await dial();
});
let random: number[] = [];
afterEach(async () => {
  client.destroy();
  await proxy[Symbol.asyncDispose]();
  await new Promise((resolve) => server.close(resolve));
});

async function dial(): Promise<Socket> {
  const socket = connect(proxy.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.on('data', (piece) => (answered += String(piece)));
  await once(socket, 'connect');
  return socket;
}

/** A reset is an error before it is a close. */
const closing = (socket: Socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()));
const seen = (what: () => boolean, name: string) => until(what, { withinMs: 5_000, what: name, everyMs: 2 });

describe('a fault proxy', () => {
  it('passes bytes on both ways in fair weather', async () => {
    client.write('one');
    await seen(() => answered === '[one]', 'the answer');
  });

  it('refuses new connections and cuts standing ones', async () => {
    const closed = closing(client);
    proxy.set({ refuses: true });
    await closed;
    const other = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    await closing(other);
    proxy.set();
    client = await dial();
    client.write('again');
    await seen(() => answered === '[again]', 'the answer after the refusal');
  });

  it('holds the way up back, and lets it go on in order', async () => {
    proxy.set({ stalls: ['up'] });
    client.write('a');
    client.write('b');
    // A second connection in fair weather would pass: time enough for the first, if it were not held.
    await new Promise((resolve) => setImmediate(resolve));
    expect(received).toBe('');
    proxy.set();
    await seen(() => received === 'ab', 'what was held');
  });

  it('holds the way down back: the server acts, the client does not hear of it', async () => {
    proxy.set({ stalls: ['down'] });
    client.write('x');
    await seen(() => received === 'x', 'the request');
    expect(answered).toBe('');
    proxy.set();
    await seen(() => answered === '[x]', 'the answer that was held');
  });

  it('delays each piece', async () => {
    proxy.set({ delayMs: 40 });
    const startedAt = performance.now();
    client.write('late');
    await seen(() => answered === '[late]', 'the answer');
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(78);
  });

  it.each([
    ['before', 0.1, ''],
    ['after', 0.9, 'Q....COMMIT\0'],
  ])('cuts a connection at its COMMIT, %s the server has seen it', async (_when, draw, expected) => {
    random = [0, draw];
    proxy.set({ commitCuts: 0.5 });
    const closed = closing(client);
    client.write('Q....COMMIT\0');
    await closed;
    await seen(() => received === expected, 'what the server saw');
    expect(answered).toBe('');
    expect(proxy.cuts).toBe(1);
  });

  it('lets a COMMIT pass that is not drawn', async () => {
    random = [0.9];
    proxy.set({ commitCuts: 0.5 });
    client.write('Q....COMMIT\0');
    await seen(() => answered !== '', 'the answer');
    expect(proxy.cuts).toBe(0);
  });

  it('cuts a connection instead of an answer', async () => {
    proxy.set({ answerCuts: 1 });
    random = [0];
    const closed = closing(client);
    client.write('x');
    await closed;
    expect({ received, answered, cuts: proxy.cuts }).toEqual({ received: 'x', answered: '', cuts: 1 });
  });
});
