// A receiver that breaks every rule of HTTP, byte by byte: how, says the path that it is asked at.
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';

/** What it does when a request is complete. */
export type Rogue = (socket: Socket) => unknown;

export interface RogueReceiver extends AsyncDisposable {
  /** Such as `http://127.0.0.1:41234`; `/name` of a rogue follows. */
  url: string;
  /** Complete requests so far: each one's path. */
  paths: string[];
  /** Connections that are open now. */
  sockets: ReadonlySet<Socket>;
}

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';
const HEAD = 'HTTP/1.1 200 OK\r\n';
const GZIP_BOMB = gzipSync(Buffer.alloc(20_000_000));

/** Writes `text` again and again: a byte every few ms. */
const drip =
  (head: string, text: string): Rogue =>
  (socket) => {
    let next = 0;
    socket.write(head);
    const timer = setInterval(() => socket.write(text[next++ % text.length]!), 10);
    socket.on('close', () => clearInterval(timer));
  };

/** Writes `text` again and again, as fast as it is taken. */
const flood = (head: string, text: string): Rogue => {
  const chunk = text.repeat(Math.ceil(65_536 / text.length));
  return (socket) => {
    const pour = () => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.write(head);
    socket.on('drain', pour);
    pour();
  };
};

const redirect =
  (location: string): Rogue =>
  (socket) =>
    socket.write(`HTTP/1.1 307 Moved\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`);

export const rogues = {
  resets: (socket) => socket.resetAndDestroy(),
  closes: (socket) => socket.end(),
  'resets in the status line': (socket) => socket.write('HTTP/1.1 20', () => socket.resetAndDestroy()),
  'closes in the headers': (socket) => socket.end(`${HEAD}content-le`),
  'closes in the body': (socket) => socket.end(`${HEAD}content-length: 100\r\n\r\npartial`),
  'resets in the body': (socket) =>
    socket.write(`${HEAD}content-length: 100\r\n\r\npartial`, () => setImmediate(() => socket.resetAndDestroy())),
  'never answers': () => undefined,
  'drips its status line': drip('HTTP/1.1 200 ', 'O'),
  'drips its headers': drip(HEAD, 'a: b\r\n'),
  'drips its body': drip(`${HEAD}content-length: 1000000\r\n\r\n`, 'z'),
  'sends informational answers for ever': (socket) => {
    const timer = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n'), 10);
    socket.on('close', () => clearInterval(timer));
  },
  'floods its body': flood(`${HEAD}\r\n`, 'x'),
  'floods its chunks': flood(`${HEAD}transfer-encoding: chunked\r\n\r\n`, '1\r\nx\r\n'),
  'floods its headers': flood(HEAD, 'a: b\r\n'),
  'floods one header': flood(`${HEAD}x: `, 'y'),
  'sends a gzip bomb': (socket) => {
    socket.write(`${HEAD}content-encoding: gzip\r\ncontent-length: ${GZIP_BOMB.length}\r\n\r\n`);
    socket.write(GZIP_BOMB);
  },
  'sends a 100 KB header': (socket) => socket.write(`${HEAD}x: ${'y'.repeat(100_000)}\r\n\r\n`),
  'sends 10,000 headers': (socket) => socket.write(`${HEAD}${'x: y\r\n'.repeat(10_000)}\r\n`),
  'sends garbage': (socket) => socket.write(Buffer.alloc(100_000, 0xfe)),
  'speaks another protocol': (socket) => socket.write('SSH-2.0-OpenSSH_9.9\r\n'),
  'redirects to the metadata service': redirect('http://169.254.169.254/latest/meta-data/'),
  accepts: (socket) => socket.write(OK),
} satisfies Record<string, Rogue>;

export type RogueName = keyof typeof rogues;

export const pathOf = (name: string): string => `/${encodeURIComponent(name)}`;

/** `more`: what it does at further paths, or instead of the table. */
export async function startRogueReceiver(more: Record<string, Rogue> = {}): Promise<RogueReceiver> {
  const table: Record<string, Rogue> = { ...rogues, ...more };
  const paths: string[] = [];
  const server = createServer({ noDelay: true });
  const sockets = track(server);
  server.on('connection', (socket) => {
    let received = '';
    socket.on('data', (bytes) => {
      received += bytes.toString('latin1');
      const end = received.indexOf('\r\n\r\n') + 4;
      const length = Number(/content-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? 0);
      if (end < 4 || received.length < end + length) return;
      const path = decodeURIComponent(received.split(' ')[1]!.slice(1));
      received = received.slice(end + length);
      paths.push(path);
      table[path]!(socket);
    });
  });
  const url = await listen(server);
  return { url, paths, sockets, [Symbol.asyncDispose]: () => close(server, sockets) };
}

/** Something that listens and does nothing but count who comes. */
export async function startTrap(): Promise<{ url: string; count: () => number } & AsyncDisposable> {
  let count = 0;
  const server = createServer((socket) => {
    count++;
    socket.on('error', () => undefined);
  });
  const sockets = track(server);
  const url = await listen(server);
  return { url, count: () => count, [Symbol.asyncDispose]: () => close(server, sockets) };
}

function track(server: Server): Set<Socket> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
  });
  return sockets;
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function close(server: Server, sockets: ReadonlySet<Socket>): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
}
