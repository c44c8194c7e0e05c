// The connections to one origin: each carries one request at a time, and waits a few seconds for the next.
import { Client } from 'undici';
import type { Clock } from '#clock';
import type { Target } from './address-guard.ts';
import { openSocket, type ConnectorOptions, type SessionKeeper } from './connector.ts';
import type { Carrier } from './exchange.ts';

// Node's server closes after 5 s and many proxies after 10 s or more: use a connection for a little less, so that few requests meet a
// closing one, whose loss would make the attempt ambiguous. A server's own hint (Keep-Alive: timeout=…) counts, up to 10 s.
const KEEP_ALIVE_MS = 4_000;
const LONGEST_KEEP_ALIVE_MS = 10_000;
const HINT_MARGIN_MS = 1_000;
const MOST_HEADER_BYTES = 16 * 1024;

export class Origin implements SessionKeeper {
  readonly target: Target;
  tlsSession: Buffer | undefined;
  usedAt = 0;
  readonly #connector: ConnectorOptions;
  readonly #idle: Connection[] = [];
  #isClosed = false;

  constructor(target: Target, connector: ConnectorOptions) {
    this.target = target;
    this.#connector = connector;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get idleConnections(): number {
    return this.#idle.length;
  }

  /**
   * A connection for one request: the one used last, so that those beyond the present need grow old and close; else a new one. Nothing
   * ever queues here, since a queue would eat the attempt's deadline: who calls bounds the requests in flight.
   */
  take(clock: Clock): Connection {
    this.usedAt = clock.monotonic();
    return this.#idle.pop() ?? new Connection(this, this.#connector);
  }

  /** Takes a connection back; false when it should be closed instead. */
  keep(connection: Connection, mostIdle: number): boolean {
    if (this.#isClosed || this.#idle.length >= mostIdle) return false;
    this.#idle.push(connection);
    return true;
  }

  forget(connection: Connection): void {
    const index = this.#idle.indexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** Closes the idle connections; those in use follow when their request ends. */
  close(): void {
    this.#isClosed = true;
    for (const connection of this.#idle.splice(0)) connection.discard();
  }
}

/**
 * undici's Client is one connection with its parser and keep-alive timer. Its Pool is left out on purpose: it looks for a free client in
 * a list from the front, queues, and cannot cut short a connection that is still being made.
 */
export class Connection implements Carrier {
  readonly client: Client;
  /** How many idle connections the endpoint of the present request may leave behind. */
  mostIdle = 1;
  readonly #origin: Origin;
  #giveUpConnecting: (() => void) | null = null;
  #isIdle = false;

  constructor(origin: Origin, connector: ConnectorOptions) {
    this.#origin = origin;
    this.client = new Client(origin.target.origin, {
      connect: (_options, callback) => {
        this.#giveUpConnecting = openSocket(origin.target, origin, connector, (fault, socket) => {
          this.#giveUpConnecting = null;
          if (socket === undefined) callback(fault ?? new Error('no socket'), null);
          else callback(null, socket);
        });
      },
      allowH2: false,
      pipelining: 1,
      maxHeaderSize: MOST_HEADER_BYTES,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: LONGEST_KEEP_ALIVE_MS,
      keepAliveTimeoutThreshold: HINT_MARGIN_MS,
      // The attempt has one deadline of its own. These two would start again with each chunk, or never end with 1xx answers.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    this.client.on('disconnect', () => {
      if (this.#isIdle) this.discard();
    });
  }

  /** Call when it is taken from the idle ones. */
  engage(mostIdle: number): void {
    this.#isIdle = false;
    this.mostIdle = mostIdle;
  }

  release(): void {
    this.#isIdle = this.#origin.keep(this, this.mostIdle);
    if (!this.#isIdle) this.discard();
  }

  discard(): void {
    if (this.#isIdle) this.#origin.forget(this);
    this.#isIdle = false;
    this.#giveUpConnecting?.();
    this.#giveUpConnecting = null;
    // Not at once: undici may be in the middle of telling us about this very connection.
    queueMicrotask(() => void this.client.destroy());
  }
}
