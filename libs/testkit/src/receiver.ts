// An HTTP or HTTPS receiver for tests: keeps what arrives, in order, and answers as the test wishes.
import { createServer as createHttpServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { selfSignedCertificate } from './certificate.ts';
import type { Certificate } from './certificate.ts';
import { until } from './until.ts';

/** One request, kept when its body was complete. */
export interface Arrival {
  /** Counts from 1. */
  n: number;
  /** Wall time in ms since 1970, with fractions, of the complete request. */
  at: number;
  method: string;
  path: string;
  headers: IncomingHttpHeaders;
  body: Buffer;
  /** Wall time in ms at which the answer was handed over completely; null until then and for answers cut off. */
  answeredAt: number | null;
}

/** What the receiver does with a request; `{}` is an empty 200 at once. */
export interface Answer {
  status?: number;
  headers?: OutgoingHttpHeaders;
  body?: string | Buffer;
  /** Waits before it answers, resets or hangs. */
  delayMs?: number;
  /** Never answers; the connection stays open until the client or `close()` ends it. */
  hang?: boolean;
  /** Cuts the connection with a TCP reset instead of an answer. */
  reset?: boolean;
}

/** May be asynchronous, so that a test can hold an answer back until it has seen something. */
export type Behaviour = (arrival: Arrival, n: number) => Answer | Promise<Answer>;

export interface ReceiverOptions {
  behaviour?: Behaviour;
  /** Default: any free one. */
  port?: number;
  /** True for a certificate for localhost and 127.0.0.1, signed by itself; or a certificate to use. */
  https?: boolean | Certificate;
}

export interface Receiver extends AsyncDisposable {
  /** Such as `http://127.0.0.1:41234`, without a slash at the end. */
  url: string;
  port: number;
  /** PEM text for a client's `ca` option, when the receiver speaks HTTPS. */
  ca: string | null;
  /** All requests so far, in the order of arrival. The receiver adds to this very array. */
  arrivals: Arrival[];
  /** Answers differently from now on. */
  behave(behaviour: Behaviour): void;
  /** Resolves to the arrivals as soon as there are `count`. */
  received(count: number, options?: { withinMs?: number }): Promise<Arrival[]>;
  /** Number of connections that clients hold open. */
  connections(): Promise<number>;
  /** Ends all connections, hanging answers too. */
  close(): Promise<void>;
}

export async function startReceiver(options: ReceiverOptions = {}): Promise<Receiver> {
  let behaviour: Behaviour = options.behaviour ?? (() => ({}));
  const arrivals: Arrival[] = [];
  const timers = new Set<NodeJS.Timeout>();
  const certificate = certificateOf(options);

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const body = await readBody(request);
    if (body === null) return; // The client gave up in the middle: nothing has arrived.
    const arrival = record(request, body, arrivals.length + 1);
    arrivals.push(arrival);
    response.once('finish', () => (arrival.answeredAt = wallTime()));
    const answer = await behaviour(arrival, arrival.n);
    if (answer.delayMs !== undefined) await pause(answer.delayMs, timers);
    respond(response, answer);
  };
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    handle(request, response).catch((fault: unknown) => {
      // A faulty behaviour shows at the client at once, with its reason.
      response.writeHead(599).end(`the test's behaviour failed: ${String(fault)}`);
    });
  };
  // Idle connections stay: a client under test should never lose one to our own timeout.
  const limits = { keepAliveTimeout: 0, requestTimeout: 0, headersTimeout: 0 };
  const server = certificate
    ? createHttpsServer({ ...limits, key: certificate.key, cert: certificate.cert }, listener)
    : createHttpServer(limits, listener);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });

  const { port } = server.address() as AddressInfo;
  const close = async () => {
    for (const timer of timers) clearTimeout(timer);
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeAllConnections();
    await closed;
  };
  return {
    url: `${certificate ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    ca: certificate?.cert ?? null,
    arrivals,
    behave: (next) => void (behaviour = next),
    received: async (count, { withinMs = 10_000 } = {}) => {
      const what = `${count} requests at the receiver`;
      await until(() => arrivals.length >= count, { withinMs, what, everyMs: 5 });
      return arrivals;
    },
    connections: () =>
      new Promise((resolve, reject) =>
        server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
      ),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function record(request: IncomingMessage, body: Buffer, n: number): Arrival {
  const { method = '', url: path = '', headers } = request;
  return { n, at: wallTime(), method, path, headers, body, answeredAt: null };
}

function respond(response: ServerResponse, answer: Answer): void {
  if (answer.hang === true) return;
  if (answer.reset === true) return void response.socket?.resetAndDestroy();
  response.writeHead(answer.status ?? 200, answer.headers).end(answer.body ?? '');
}

async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
    return Buffer.concat(chunks);
  } catch {
    return null;
  }
}

function pause(ms: number, timers: Set<NodeJS.Timeout>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => {
      timers.delete(timer);
      resolve();
    }, ms);
    timers.add(timer);
  });
}

function wallTime(): number {
  return performance.timeOrigin + performance.now();
}

function certificateOf({ https }: ReceiverOptions): Certificate | null {
  if (https === undefined || https === false) return null;
  return https === true ? selfSignedCertificate() : https;
}
