// Servers on loopback for the tests: raw ones that misbehave byte by byte, and TLS ones with any fault in the certificate.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { Worker } from 'node:worker_threads';
import { onTestFinished } from 'vitest';

export interface RawServer {
  port: number;
  url: string;
  /** Connections accepted so far. */
  connections: number;
  /** Complete requests so far, as text. */
  requests: string[];
  /** Sockets open now. */
  sockets: Set<Socket>;
}

/** What a server does when a request is complete (headers and Content-Length of body). */
export type Answer = (socket: Socket, request: string, count: number) => void;

export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

export function startRawServer(answer: Answer, host = '127.0.0.1'): Promise<RawServer> {
  return listen(createServer({ noDelay: true }), answer, 'http', host);
}

/** Two on one port: `outside` at 127.0.0.2 with this answer, `inside` at 127.0.0.1, which answers whoever gets there. */
export async function startTwinServers(answer: Answer): Promise<{ outside: RawServer; inside: RawServer }> {
  for (;;) {
    const outside = await startRawServer(answer, '127.0.0.2');
    const server = createServer({ noDelay: true });
    const inside = await listen(server, (socket) => socket.write(OK), 'http', '127.0.0.1', outside.port).catch(
      (error: unknown) => {
        if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      },
    );
    // Somebody has that port there: another pair.
    if (inside !== undefined) return { outside, inside };
  }
}

/** One that does something as soon as a connection is there, and never waits for a request. */
export function startEagerServer(greet: (socket: Socket) => void): Promise<RawServer> {
  return listen(createServer({ noDelay: true }).on('connection', greet), () => undefined, 'http', '127.0.0.1');
}

/** A port at which connections are neither accepted nor refused: the SYN is not answered, as behind a firewall that drops. */
export async function startBlackHole(): Promise<{ port: number; url: string }> {
  // Its thread sleeps, so it accepts nothing; two connections fill the queue of a backlog of one, and Linux drops what comes then.
  const thread = new Worker(
    `const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       require('node:worker_threads').parentPort.postMessage(server.address().port);
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
     });`,
    { eval: true },
  );
  const [port] = (await once(thread, 'message')) as [number];
  const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
  onTestFinished(async () => {
    for (const filler of fillers) filler.destroy();
    await thread.terminate();
  });
  await Promise.all(fillers.slice(0, 2).map((filler) => once(filler, 'connect')));
  return { port, url: `http://127.0.0.1:${port}/` };
}

export function startTlsServer(options: TlsOptions, answer: Answer = (socket) => socket.write(OK)): Promise<RawServer> {
  return listen(createTlsServer(options), answer, 'https', '127.0.0.1');
}

/** A port on which nothing listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function listen(server: Server, answer: Answer, scheme: string, host: string, port = 0): Promise<RawServer> {
  const raw: RawServer = { port: 0, url: '', connections: 0, requests: [], sockets: new Set() };
  const accept = (socket: Socket): void => {
    raw.sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => raw.sockets.delete(socket));
  };
  server.on('connection', (socket: Socket) => {
    raw.connections++;
    accept(socket);
  });
  server.on(scheme === 'https' ? 'secureConnection' : 'connection', (socket: Socket) => {
    accept(socket);
    let received = '';
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      const end = received.indexOf('\r\n\r\n') + 4;
      const length = Number(/content-length: (\d+)/i.exec(received.slice(0, end))?.[1] ?? 0);
      if (end < 4 || received.length < end + length) return;
      const request = received.slice(0, end + length);
      received = received.slice(end + length);
      raw.requests.push(request);
      answer(socket, request, raw.requests.length);
    });
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve));
  onTestFinished(async () => {
    for (const socket of raw.sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  raw.port = (server.address() as AddressInfo).port;
  // Certificates are for the name.
  raw.url = `${scheme}://${scheme === 'https' ? 'localhost' : host}:${raw.port}/hook`;
  return raw;
}

export interface Certificate {
  key: string;
  cert: string;
}

/** An authority of our own and certificates of it, made with the openssl command. */
export function makeCertificates() {
  const folder = mkdtempSync(join(tmpdir(), 'waybill-tls-'));
  const at = (name: string) => join(folder, name);
  const read = (name: string): Certificate => ({
    key: readFileSync(at(`${name}.key`), 'utf8'),
    cert: readFileSync(at(`${name}.crt`), 'utf8'),
  });
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const selfSigned = (name: string) =>
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.crt`,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
    );
  const signed = (name: string, names: string, days: string) => {
    openssl('req', '-new', ...newKey, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    writeFileSync(at(`${name}.ext`), `subjectAltName=${names}\n`);
    const authority = ['-CA', 'authority.crt', '-CAkey', 'authority.key', '-CAcreateserial', '-extfile', `${name}.ext`];
    openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.crt`, '-days', days, ...authority);
    return read(name);
  };
  try {
    selfSigned('authority');
    selfSigned('localhost');
    return {
      authority: read('authority').cert,
      selfSigned: read('localhost'),
      good: signed('good', 'DNS:localhost,IP:127.0.0.1', '2'),
      wrongName: signed('wrong-name', 'DNS:other.example', '2'),
      expired: signed('expired', 'DNS:localhost,IP:127.0.0.1', '-1'),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
