// Sends one attempt over HTTP/1.1 within one deadline, and says what became of it.
import { systemClock, type Clock } from '#clock';
import { AbortGroups } from './abort-groups.ts';
import type { AddressGuard, BlockReason } from './address-guard.ts';
import { createTlsContext, type ConnectorOptions } from './connector.ts';
import { Deadlines } from './deadlines.ts';
import { Exchange, type HttpResult } from './exchange.ts';
import { Origin } from './origin.ts';
import { sharedResolve, systemResolve, type Resolve } from './resolver.ts';

export interface HttpSenderOptions {
  guard: AddressGuard;
  clock?: Clock;
  /** The User-Agent of every request. Default: `Waybill`. */
  userAgent?: string;
  /** Origins whose connections are kept open; beyond it the one unused for longest is closed. Default: 1,024. */
  maxOrigins?: number;
  /** Certificates (PEM) of authorities that are trusted beside the system's. */
  extraCa?: readonly string[];
  /** For tests. Default: the operating system. */
  resolve?: Resolve;
}

export interface HttpRequest {
  url: string;
  /** Without User-Agent, Accept-Encoding and Content-Length, which are set here. */
  headers: Readonly<Record<string, string>>;
  body: Buffer;
  /** For the whole attempt: DNS, connection, TLS, request, response headers and body. */
  timeoutMs: number;
  /** How many connections may stay open for the next request: the endpoint's limit of requests in flight. */
  connections: number;
  /** Ends the attempt with class `aborted`. One signal may serve any number of requests. */
  signal?: AbortSignal;
}

type Route = { origin: Origin; path: string } | { blocked: BlockReason };

const MOST_ROUTES = 8_192;

export class HttpSender {
  readonly #guard: AddressGuard;
  readonly #clock: Clock;
  readonly #now: () => number;
  readonly #connector: ConnectorOptions;
  readonly #userAgent: string;
  readonly #maxOrigins: number;
  readonly #origins = new Map<string, Origin>();
  readonly #routes = new Map<string, Route>();
  readonly #deadlines: Deadlines;
  readonly #abortGroups = new AbortGroups();
  #inFlight = 0;
  #isClosed = false;
  #whenIdle: (() => void) | null = null;

  constructor(options: HttpSenderOptions) {
    this.#guard = options.guard;
    this.#clock = options.clock ?? systemClock;
    this.#now = () => this.#clock.monotonic();
    this.#deadlines = new Deadlines(this.#clock);
    this.#userAgent = options.userAgent ?? 'Waybill';
    this.#maxOrigins = options.maxOrigins ?? 1_024;
    this.#connector = {
      guard: options.guard,
      resolve: sharedResolve(options.resolve ?? systemResolve, this.#clock),
      tls: createTlsContext(options.extraCa),
    };
  }

  /** Requests under way now. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Connections that are open and wait for a next request. */
  get idleConnections(): number {
    let count = 0;
    for (const origin of this.#origins.values()) count += origin.idleConnections;
    return count;
  }

  /** POSTs once. Always resolves, within `timeoutMs`: whatever goes wrong is a value. Never follows, decompresses or repeats anything. */
  send(request: HttpRequest): Promise<HttpResult> {
    const route = this.#routeTo(request.url);
    if ('blocked' in route) return Promise.resolve({ ...unsent('blocked_target'), blockReason: route.blocked });
    if (this.#isClosed || request.signal?.aborted) return Promise.resolve(unsent('aborted'));
    return new Promise((resolve) => this.#exchange(request, route, resolve));
  }

  /** Takes no more requests, lets those in flight end (each has its deadline), then closes every connection. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#whenIdle = resolve));
    for (const origin of this.#origins.values()) origin.close();
    this.#origins.clear();
    this.#routes.clear();
  }

  #exchange(
    request: HttpRequest,
    route: { origin: Origin; path: string },
    resolve: (result: HttpResult) => void,
  ): void {
    const connection = route.origin.take(this.#clock);
    connection.engage(request.connections);
    this.#inFlight++;
    const exchange = new Exchange(connection, this.#now, (result) => {
      this.#deadlines.leave(request.timeoutMs, exchange);
      abortGroup?.delete(exchange);
      this.#inFlight--;
      if (this.#inFlight === 0) this.#whenIdle?.();
      resolve(result);
    });
    this.#deadlines.join(request.timeoutMs, exchange);
    const abortGroup = request.signal === undefined ? null : this.#abortGroups.join(request.signal, exchange);
    connection.client.dispatch(
      {
        path: route.path,
        method: 'POST',
        headers: this.#headersOf(request),
        body: request.body,
        blocking: false, // One request per connection, so there is no pipeline to block.
      },
      exchange,
    );
  }

  // As the flat list that undici takes without further copying.
  #headersOf(request: HttpRequest): string[] {
    const list = ['user-agent', this.#userAgent, 'accept-encoding', 'identity'];
    for (const name in request.headers) list.push(name, request.headers[name] ?? '');
    return list;
  }

  // URLs are judged and parsed once: the guard's verdict on a text never changes, only that on a name's addresses does.
  #routeTo(url: string): Route {
    const known = this.#routes.get(url);
    if (known !== undefined && !('origin' in known && known.origin.isClosed)) return known;
    const verdict = this.#guard.readUrl(url);
    const route = verdict.ok
      ? {
          origin: this.#originOf(verdict.target.origin, () => new Origin(verdict.target, this.#connector)),
          path: verdict.target.path,
        }
      : { blocked: verdict.fault.reason };
    if (this.#routes.size >= MOST_ROUTES) this.#routes.clear();
    this.#routes.set(url, route);
    return route;
  }

  #originOf(name: string, create: () => Origin): Origin {
    const known = this.#origins.get(name);
    if (known !== undefined) return known;
    if (this.#origins.size >= this.#maxOrigins) this.#closeLeastUsedOrigin();
    const origin = create();
    this.#origins.set(name, origin);
    return origin;
  }

  #closeLeastUsedOrigin(): void {
    let least: [string, Origin] | undefined;
    for (const each of this.#origins) {
      if (least === undefined || each[1].usedAt < least[1].usedAt) least = each;
    }
    if (least === undefined) return;
    this.#origins.delete(least[0]);
    least[1].close();
  }
}

function unsent(errorClass: 'blocked_target' | 'aborted') {
  return { kind: 'failed', errorClass, durationMs: 0, bytesSent: false } as const;
}
