// Random histories of writers and relays, step by step, on whatever holds the outbox; fast-check draws them from a seed.
import fc from 'fast-check';
import { seededRandom } from '#clock';
import type { SessionSource } from '../session.ts';
import { type CrashPoint, faultsOf, MemoryLog, TestRelay } from '../testing.ts';

/** A transaction of a domain service. Every event goes to both endpoints of testing.ts. */
export interface TestTransaction {
  drawXid(): Promise<void>;
  /** Resolves with the event's id. */
  publish(streamId: string, payload?: string): Promise<string>;
  savepoint(): Promise<void>;
  rollBackToSavepoint(): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

export interface TestOutbox {
  sessions: SessionSource;
  begin(): Promise<TestTransaction>;
  /** As if every lease had run out: whoever comes next takes the shards, whatever their holders believe. */
  expireLeases(): Promise<void>;
  close(): Promise<void>;
}

const WRITERS = 4;
const STREAMS = 4;
const RELAYS = 2;

type Step =
  | { do: 'publish'; writer: number; stream: number }
  | { do: 'draw xid' | 'savepoint' | 'roll back to' | 'commit' | 'rollback'; writer: number }
  | { do: 'pass'; relay: number; times: number; renews: boolean }
  | { do: 'crash'; relay: number; at: CrashPoint; isReplaced: boolean }
  | { do: 'expire leases' };

const writer = fc.nat(WRITERS - 1);
const relayIndex = fc.nat(RELAYS - 1);
const anyStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 10, arbitrary: fc.record({ do: fc.constant('publish'), writer, stream: fc.nat(STREAMS - 1) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom('draw xid', 'savepoint', 'roll back to', 'commit', 'commit', 'commit', 'rollback'),
      writer,
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      do: fc.constant('pass'),
      relay: relayIndex,
      times: fc.integer({ min: 1, max: 4 }),
      renews: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('crash'),
      relay: relayIndex,
      at: fc.constantFrom<CrashPoint>('read', 'produce', 'before store', 'after store'),
      isReplaced: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('expire leases') }) },
);

interface Level {
  events: string[];
  streams: string[];
}

/** One connection of a domain service, with what its open transaction has published and locked so far, by savepoint. */
class Writer {
  readonly #begin: () => Promise<TestTransaction>;
  readonly #committed: Set<string>;
  #transaction: TestTransaction | null = null;
  #levels: Level[] = [];

  constructor(begin: () => Promise<TestTransaction>, committed: Set<string>) {
    this.#begin = begin;
    this.#committed = committed;
  }

  locks(stream: string): boolean {
    return this.#levels.some(({ streams }) => streams.includes(stream));
  }

  async #begun(): Promise<TestTransaction> {
    if (this.#transaction) return this.#transaction;
    this.#levels = [{ events: [], streams: [] }];
    return (this.#transaction = await this.#begin());
  }

  async publish(stream: string): Promise<void> {
    const id = await (await this.#begun()).publish(stream);
    const level = this.#levels.at(-1)!;
    level.events.push(id);
    level.streams.push(stream);
  }

  async drawXid(): Promise<void> {
    await (await this.#begun()).drawXid();
  }

  async savepoint(): Promise<void> {
    await (await this.#begun()).savepoint();
    this.#levels.push({ events: [], streams: [] });
  }

  async rollBackToSavepoint(): Promise<void> {
    if (this.#levels.length < 2) return;
    this.#levels.pop();
    await this.#transaction!.rollBackToSavepoint();
  }

  async end(how: 'commit' | 'rollback'): Promise<void> {
    if (!this.#transaction) return;
    await this.#transaction[how]();
    if (how === 'commit') for (const { events } of this.#levels) for (const id of events) this.#committed.add(id);
    this.#transaction = null;
    this.#levels = [];
  }
}

/** One history: writers, relays, the log, and what was committed. */
class History {
  readonly log = new MemoryLog();
  readonly committed = new Set<string>();
  readonly #outbox: TestOutbox;
  readonly #run: number;
  readonly #pageSize: number;
  readonly #writers: Writer[];
  readonly #relays: TestRelay[];
  #seed = 0;

  constructor(outbox: TestOutbox, run: number, pageSize: number) {
    this.#outbox = outbox;
    this.#run = run;
    this.#pageSize = pageSize;
    this.#writers = Array.from({ length: WRITERS }, () => new Writer(() => outbox.begin(), this.committed));
    this.#relays = Array.from({ length: RELAYS }, () => this.#newRelay());
  }

  #newRelay(): TestRelay {
    const { sessions } = this.#outbox;
    return new TestRelay({ sessions, log: this.log, pageSize: this.#pageSize, random: seededRandom(++this.#seed) });
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish': {
        const stream = `h${this.#run}-${step.stream}`;
        // Held by another transaction: this one connection would wait for ever.
        if (this.#writers.some((other, index) => index !== step.writer && other.locks(stream))) return;
        return this.#writers[step.writer]!.publish(stream);
      }
      case 'draw xid':
        return this.#writers[step.writer]!.drawXid();
      case 'savepoint':
        return this.#writers[step.writer]!.savepoint();
      case 'roll back to':
        return this.#writers[step.writer]!.rollBackToSavepoint();
      case 'commit':
        return this.#writers[step.writer]!.end('commit');
      case 'rollback':
        return this.#writers[step.writer]!.end('rollback');
      case 'pass':
        for (let pass = 0; pass < step.times; pass++) {
          await this.#relays[step.relay]!.pass({ advanceMs: step.renews ? 21_000 : 10 });
        }
        return;
      case 'crash': {
        await this.#relays[step.relay]!.pass({ crashAt: step.at });
        if (!step.isReplaced) return;
        this.#relays[step.relay]!.kill();
        this.#relays[step.relay] = this.#newRelay();
        return;
      }
      case 'expire leases':
        return this.#outbox.expireLeases();
    }
  }

  /** Ends what is open, lets a new relay take everything, and judges. */
  async judge(): Promise<string[]> {
    for (const [index, one] of this.#writers.entries()) await one.end(index % 2 === 0 ? 'commit' : 'rollback');
    await this.#outbox.expireLeases();
    const last = this.#newRelay();
    await last.settle();
    for (const relay of [...this.#relays, last]) relay.kill();
    return faultsOf(this.log, this.committed);
  }
}

export const anyHistory = fc.tuple(
  fc.array(anyStep, { minLength: 10, maxLength: 70, size: 'max' }),
  fc.integer({ min: 1, max: 7 }),
);

/** Plays one, and says what is wrong with what was published. */
export async function playHistory(
  outbox: TestOutbox,
  run: number,
  steps: readonly Step[],
  pageSize: number,
): Promise<string[]> {
  const history = new History(outbox, run, pageSize);
  for (const step of steps) await history.take(step);
  return history.judge();
}

/** The least history in which windows that are cut or ordered wrongly, or forget somebody, show it. Says what is wrong. */
export async function playAwkwardHistory(outbox: TestOutbox, pageSize: number): Promise<string[]> {
  const log = new MemoryLog();
  const relay = new TestRelay({ sessions: outbox.sessions, log, pageSize, random: seededRandom(1) });
  await relay.pass();
  const committed = new Set<string>();
  const [early, slow] = [await outbox.begin(), await outbox.begin()];
  await early.drawXid();
  // One stream, and the transaction with the lower id publishes later.
  const first = await outbox.begin();
  committed.add(await first.publish(`one-${pageSize}`));
  await first.commit();
  committed.add(await slow.publish(`slow-${pageSize}`));
  committed.add(await early.publish(`one-${pageSize}`));
  await early.commit();
  for (let pass = 0; pass < 5; pass++) await relay.pass();
  await slow.commit();
  await relay.settle();
  await relay.relay.stop();
  relay.kill();
  return faultsOf(log, committed);
}
