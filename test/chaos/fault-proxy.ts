// A TCP proxy that can be told to refuse, stall one way or both, delay, and cut a connection at its COMMIT or instead of an answer.
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '#clock';

export type Direction = 'up' | 'down';

/** What happens to bytes; `up` is from the client to the server. */
export interface Weather {
  /** New connections are reset, standing ones were cut when this began. */
  refuses: boolean;
  /** Directions in which bytes stay here, in order, until the weather changes. Connections stand, as over a dead link. */
  stalls: readonly Direction[];
  /** Each piece waits this long, fixed and random part, in each direction; order is kept. */
  delayMs: number;
  jitterMs: number;
  /**
   * Share of COMMITs at which the connection is cut: half of them before the server sees it, half after, so that it commits and
   * the answer is lost.
   */
  commitCuts: number;
  /** Share of answers instead of which the connection is cut: the server has done it, the client does not know. */
  answerCuts: number;
}

export const FAIR: Weather = { refuses: false, stalls: [], delayMs: 0, jitterMs: 0, commitCuts: 0, answerCuts: 0 };

/** A COMMIT as pg sends it: a simple query. */
const COMMIT = Buffer.from('COMMIT\0');

export class FaultProxy implements AsyncDisposable {
  readonly #target: number;
  readonly #random: Random;
  readonly #links = new Set<Link>();
  readonly #server: Server;
  #weather = FAIR;
  /** Connections that were cut at a COMMIT or an answer so far. */
  cuts = 0;

  private constructor(server: Server, target: number, random: Random) {
    this.#server = server;
    this.#target = target;
    this.#random = random;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Listens on `listen` of 127.0.0.1 (0: any free port), in front of the server on `target`. */
  static async open(ports: { listen: number; target: number }, random: Random): Promise<FaultProxy> {
    const server = createServer();
    const proxy = new FaultProxy(server, ports.target, random);
    server.on('connection', (near) => proxy.#accept(near));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(ports.listen, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** Changes the weather for standing and new connections alike; what is not named is fair. */
  set(weather: Partial<Weather> = {}): void {
    this.#weather = { ...FAIR, ...weather };
    if (this.#weather.refuses) for (const link of this.#links) link.cut();
    for (const link of this.#links) link.blow();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const link of this.#links) link.cut();
    await closed;
  }

  #accept(near: Socket): void {
    if (this.#weather.refuses) return void near.resetAndDestroy();
    const far = connect(this.#target, '127.0.0.1');
    const link = new Link({
      near,
      far,
      weather: () => this.#weather,
      cutAtCommit: () => this.#cutAtCommit(),
      cutsAnswer: () => this.#cuts(this.#weather.answerCuts),
    });
    this.#links.add(link);
    near.once('close', () => this.#links.delete(link));
  }

  #cutAtCommit(): 'before' | 'after' | null {
    if (!this.#cuts(this.#weather.commitCuts)) return null;
    return this.#random() < 0.5 ? 'before' : 'after';
  }

  #cuts(share: number): boolean {
    if (share === 0 || this.#random() >= share) return false;
    this.cuts++;
    return true;
  }
}

interface LinkParts {
  near: Socket;
  far: Socket;
  weather(): Weather;
  cutAtCommit(): 'before' | 'after' | null;
  cutsAnswer(): boolean;
}

/** One connection with its two directions. */
class Link {
  readonly #parts: LinkParts;
  readonly #pipes: readonly Pipe[];

  constructor(parts: LinkParts) {
    this.#parts = parts;
    const { near, far, weather } = parts;
    const up = new Pipe('up', far, weather);
    const down = new Pipe('down', near, weather);
    this.#pipes = [up, down];
    near.on('data', (piece: Buffer) => this.#sendUp(up, piece));
    far.on('data', (piece: Buffer) => (parts.cutsAnswer() ? this.cut() : down.take(piece)));
    // An end travels behind the bytes; a break cuts both at once.
    near.on('end', () => up.end());
    far.on('end', () => down.end());
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.cut());
    }
    near.on('close', () => far.destroy());
    far.on('close', () => {
      if (down.isEmpty) near.destroy();
      else down.end();
    });
  }

  cut(): void {
    for (const pipe of this.#pipes) pipe.drop();
    this.#parts.near.resetAndDestroy();
    this.#parts.far.resetAndDestroy();
  }

  /** The weather has changed. */
  blow(): void {
    for (const pipe of this.#pipes) pipe.flow();
  }

  #sendUp(up: Pipe, piece: Buffer): void {
    const cut = piece.includes(COMMIT) ? this.#parts.cutAtCommit() : null;
    if (cut === 'before') return this.cut();
    if (cut === null) return up.take(piece);
    // The server reads the COMMIT and the orderly end behind it; the client sees a broken connection.
    this.#parts.near.resetAndDestroy();
    this.#parts.far.end(piece);
  }
}

/** One direction: pieces wait here while it stalls or until their delay has passed. Memory is bounded by the peers' own windows of unanswered requests. */
class Pipe {
  readonly #direction: Direction;
  readonly #to: Socket;
  readonly #weather: () => Weather;
  #waiting: { piece: Buffer | null; dueAt: number }[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(direction: Direction, to: Socket, weather: () => Weather) {
    this.#direction = direction;
    this.#to = to;
    this.#weather = weather;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  take(piece: Buffer | null): void {
    const { delayMs, jitterMs } = this.#weather();
    const dueAt = performance.now() + delayMs + Math.random() * jitterMs;
    this.#waiting.push({ piece, dueAt: Math.max(dueAt, this.#waiting.at(-1)?.dueAt ?? 0) });
    this.flow();
  }

  end(): void {
    this.take(null);
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#waiting = [];
  }

  flow(): void {
    clearTimeout(this.#timer);
    if (this.#weather().stalls.includes(this.#direction)) return;
    const now = performance.now();
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (next.dueAt > now) {
        this.#timer = setTimeout(() => this.flow(), next.dueAt - now);
        return;
      }
      this.#waiting.shift();
      if (next.piece === null) this.#to.end();
      else if (!this.#to.destroyed) this.#to.write(next.piece);
    }
  }
}
