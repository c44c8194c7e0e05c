// The receiver, a process of its own: answers each endpoint by its temper and writes down what came and what it did.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { seededRandom, type Random } from '#clock';
import { serveRole } from '../bench/processes.ts';
import type { Arrival } from './checker/history.ts';
import { Journal } from './journal.ts';
import { type Answer, RESIDENTS, type Temper } from './population.ts';

export interface ReceiverStart {
  journal: string;
  seed: number;
}

/** From now on, for `forMs`, every request of the path is treated so. */
export interface Spell {
  path: string;
  answer: Answer;
  forMs: number;
}

interface Host {
  temper: Temper;
  random: Random;
  spell: { answer: Answer; until: number } | null;
}

interface Decision {
  status: number | null;
  retryAfter: string | null;
  delayMs: number;
}

const hosts = new Map<string, Host>();
const waiting = new Set<ServerResponse>();
let startedAt = Date.now();
let acceptsAll = true;
let count = 0;
let book: ArrivalBook | null = null;

/** Lines go to the journal in the order of arrival: an arrival waits here for the end of those before it. */
class ArrivalBook implements Disposable {
  readonly #journal: Journal;
  readonly #arrivals = new Map<number, { arrival: Arrival; hasEnded: boolean }>();
  #next = 1;

  constructor(path: string) {
    this.#journal = new Journal(path);
  }

  began(arrival: Arrival): void {
    this.#arrivals.set(arrival.n, { arrival, hasEnded: false });
  }

  ended({ n }: Arrival): void {
    const one = this.#arrivals.get(n);
    if (one === undefined) return; // The book was closed meanwhile.
    one.hasEnded = true;
    for (let first = this.#arrivals.get(this.#next); first?.hasEnded; first = this.#arrivals.get(this.#next)) {
      this.#journal.append(first.arrival);
      this.#arrivals.delete(this.#next++);
    }
  }

  [Symbol.dispose](): void {
    for (const { arrival } of this.#arrivals.values()) this.#journal.append(arrival);
    this.#arrivals.clear();
    this.#journal[Symbol.dispose]();
  }
}

async function receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of request) chunks.push(chunk as Buffer);
  } catch {
    return; // The sender gave up in the middle: nothing has arrived.
  }
  const path = request.url ?? '/';
  const headers = Object.fromEntries(Object.entries(request.headers).map(([name, value]) => [name, String(value)]));
  const behaviour = choose(path, headers['x-webhook-stream-id'] ?? '');
  const arrival: Arrival = {
    n: ++count,
    receivedAt: Date.now(),
    answeredAt: null,
    path,
    headers,
    body: Buffer.concat(chunks).toString('utf8'),
    status: null,
    answer: 'none',
    retryAfter: null,
    behaviour,
  };
  book?.began(arrival);
  act(behaviour, arrival, response);
}

function choose(path: string, streamId: string): Answer {
  const host = hosts.get(path);
  if (host === undefined) return 'gone';
  if (acceptsAll) return 'ok';
  const { temper, random, spell } = host;
  if (spell !== null && Date.now() < spell.until) return spell.answer;
  const { flaps, stuckStreams = 0 } = temper;
  if (flaps !== undefined && (Date.now() - startedAt) % flaps.everyMs < flaps.forMs) return 'fail';
  if (isStuck(streamId, stuckStreams)) return 'refuse';
  let draw = random();
  for (const [answer, share] of Object.entries(temper.answers)) {
    if (draw < share) return answer as Answer;
    draw -= share;
  }
  return 'ok';
}

/** The same streams in every run, by their last letters. */
function isStuck(streamId: string, share: number): boolean {
  return share > 0 && Number.parseInt(streamId.slice(-4), 16) % 100 < share * 100;
}

function decide(behaviour: Answer, random: Random): Decision {
  const decision = (status: number | null, more: Partial<Decision> = {}) => ({
    status,
    retryAfter: null,
    delayMs: 0,
    ...more,
  });
  switch (behaviour) {
    case 'ok':
    case 'cut':
    case 'close':
      return decision(200);
    case 'slow':
      return decision(200, { delayMs: 100 + random() * 900 });
    case 'created':
      return decision(201);
    case 'fail':
      return decision(random() < 0.5 ? 500 : 503);
    case 'refuse':
      return decision(random() < 0.5 ? 400 : 404);
    case 'later':
      return decision(random() < 0.5 ? 429 : 503, { retryAfter: random() < 0.5 ? '1' : '2' });
    case 'gone':
      return decision(410);
    case 'hang':
    case 'reset':
      return decision(null);
  }
}

function act(behaviour: Answer, arrival: Arrival, response: ServerResponse): void {
  const { status, retryAfter, delayMs } = decide(behaviour, hosts.get(arrival.path)?.random ?? Math.random);
  arrival.status = status;
  arrival.retryAfter = retryAfter;
  waiting.add(response);
  const closed = () => {
    waiting.delete(response);
    book?.ended(arrival);
  };
  response.once('finish', () => (arrival.answer = 'full'));
  response.once('close', closed);
  if (delayMs > 0) setTimeout(() => answer(behaviour, arrival, response), delayMs);
  else answer(behaviour, arrival, response);
}

function answer(behaviour: Answer, arrival: Arrival, response: ServerResponse): void {
  if (response.destroyed) {
    // The sender went before the answer: none was given, whatever had been decided.
    arrival.status = null;
    return;
  }
  if (behaviour === 'hang') return;
  if (behaviour === 'reset') return void response.socket?.resetAndDestroy();
  // Before it is written: nobody can have known of it earlier.
  arrival.answeredAt = Date.now();
  response.statusCode = arrival.status!;
  if (arrival.retryAfter !== null) response.setHeader('retry-after', arrival.retryAfter);
  if (behaviour !== 'cut' && behaviour !== 'close') return void response.setHeader('content-length', '0').end();
  arrival.answer = 'cut';
  response.setHeader('content-length', '100').write('half of the body', () => {
    if (behaviour === 'cut') response.socket?.resetAndDestroy();
    else response.socket?.end();
  });
}

const server = createServer((request, response) => void receive(request, response));
// Longer than any sender keeps a connection: the sender closes first, so that no request meets a closing socket.
server.keepAliveTimeout = 120_000;
process.once('disconnect', () => book?.[Symbol.dispose]());

const api = {
  async listen({ journal, seed }: ReceiverStart): Promise<number> {
    book = new ArrivalBook(journal);
    startedAt = Date.now();
    for (const [index, { path, temper }] of RESIDENTS.entries()) {
      hosts.set(path, { temper, random: seededRandom(seed * 1_000 + index), spell: null });
    }
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1_024, resolve));
    return (server.address() as AddressInfo).port;
  },
  cast({ path, answer: byAll, forMs }: Spell): void {
    hosts.get(path)!.spell = { answer: byAll, until: Date.now() + forMs };
  },
  /** From now on every request succeeds, as in the beginning, or each endpoint has its temper. */
  accept(all: boolean): void {
    acceptsAll = all;
  },
  arrived(_: null): number {
    return count;
  },
  /** Writes down what is still open and ends all connections. */
  finish(_: null): void {
    server.close();
    for (const response of waiting) response.destroy();
    server.closeAllConnections();
    book?.[Symbol.dispose]();
    book = null;
  },
};
export type Receiver = typeof api;
serveRole(api);
