// The domain services, a process of its own: commits, rolls back, holds transactions open, and writes down what it knows of each.
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { type Random, seededRandom } from '#clock';
import { createPool, type Pool, type PoolClient } from '#database';
import { serveRole } from '../bench/processes.ts';
import type { WriterTransaction, WrittenEvent } from './checker/history.ts';
import { Journal } from './journal.ts';
import { type Draft, draft, writtenEvent } from './load.ts';
import { PROBE_TENANT, PROBE_TYPE } from './population.ts';

export interface WriterStart {
  databaseUrl: string;
  /** Of the finished transactions, and of those whose COMMIT is on its way. */
  journal: string;
  intents: string;
  seed: number;
  /** Events per second on average. */
  rate: number;
  /** An event goes to each of these streams every second. */
  probeStreams: readonly string[];
}

/** A line of the intents: what a COMMIT that was never answered may have committed. */
export type Intent = Pick<WriterTransaction, 'tx' | 'beganAt' | 'events'>;

const LINES = 6;
/** Bursts: this factor for the first seconds of each period, and so much less in the rest that the average stays. */
const BURST = { factor: 3, forMs: 4_000, everyMs: 20_000 };
const MEAN_EVENTS = 2.2;
const PROBE_EVERY_MS = 1_000;
/** What a stopped database held up is not all made up for: an open loop without end would only measure itself. */
const MOST_BACKLOG_MS = 3_000;

interface Plan {
  drafts: Draft[];
  /** Given event ids, or null where the function shall make them. */
  ids: (string | null)[];
  rollsBack: boolean;
  holdMs: number;
}

class Writer {
  readonly #start: WriterStart;
  readonly #pool: Pool;
  readonly #journal: Journal;
  readonly #intents: Journal;
  readonly #random: Random;
  readonly #lines: Promise<void>[];
  /** Plans whose outcome is unknown or that were rolled back: a service tries them again, with the same ids. */
  readonly #again: Plan[] = [];
  /** Of committed events with given ids: to be sent a second time. */
  #committed: { draft: Draft; id: string } | null = null;
  #isStopping = false;
  #transactions = 0;
  committedEvents = 0;

  constructor(start: WriterStart) {
    this.#start = start;
    this.#random = seededRandom(start.seed);
    this.#journal = new Journal(start.journal);
    this.#intents = new Journal(start.intents);
    this.#pool = createPool({
      url: start.databaseUrl,
      max: LINES + start.probeStreams.length,
      applicationName: 'chaos-writer',
      idleInTransactionTimeoutMs: 60_000,
    });
    const lines = Array.from({ length: LINES }, (_, line) => this.#writeLine(line));
    this.#lines = [...lines, ...start.probeStreams.map((stream) => this.#probe(stream))];
  }

  /** Resolves when nothing is open any more. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#lines);
    await this.#pool.end();
    this.#journal[Symbol.dispose]();
    this.#intents[Symbol.dispose]();
  }

  async #writeLine(line: number): Promise<void> {
    const startedAt = Date.now();
    let dueAt = startedAt + line * 7;
    while (!this.#isStopping) {
      const isBurst = (Date.now() - startedAt) % BURST.everyMs < BURST.forMs;
      const share = BURST.forMs / BURST.everyMs;
      const factor = isBurst ? BURST.factor : (1 - BURST.factor * share) / (1 - share);
      const plan = this.#plan();
      dueAt += (plan.drafts.length * 1_000 * LINES) / (this.#start.rate * factor);
      dueAt = Math.max(dueAt, Date.now() - MOST_BACKLOG_MS);
      const waitMs = dueAt - Date.now();
      if (waitMs > 0) await delay(waitMs);
      await this.#write(plan);
    }
  }

  async #probe(streamId: string): Promise<void> {
    while (!this.#isStopping) {
      const key = randomUUID();
      const one: Draft = {
        tenantId: PROBE_TENANT,
        streamId,
        type: PROBE_TYPE,
        key,
        payload: `{"writer_key":"${key}"}`,
      };
      const began = Date.now();
      await this.#write({ drafts: [one], ids: [null], rollsBack: false, holdMs: 0 });
      await delay(Math.max(0, began + PROBE_EVERY_MS - Date.now()));
    }
  }

  #plan(): Plan {
    const random = this.#random;
    const again = random() < 0.3 ? this.#again.pop() : undefined;
    if (again !== undefined) return { ...again, rollsBack: false, holdMs: 0 };
    const count = 1 + Math.floor(random() ** 1.5 * 2 * MEAN_EVENTS);
    const drafts = Array.from({ length: Math.min(count, 5) }, () => draft(random, this.#start.seed));
    // Several streams in one transaction are locked in one order, or two transactions could wait for each other.
    drafts.sort((a, b) => (a.tenantId + a.streamId < b.tenantId + b.streamId ? -1 : 1));
    const givesIds = random() < 0.3;
    const holds = random() < 0.01;
    return {
      drafts,
      ids: drafts.map(() => (givesIds ? randomUUID() : null)),
      rollsBack: random() < 0.1,
      holdMs: holds ? 500 + random() * 3_500 : 0,
    };
  }

  async #write(plan: Plan): Promise<void> {
    const client = await this.#pool.connect().catch(() => null);
    if (client === null) {
      await delay(250);
      return;
    }
    let broken: Error | undefined;
    const onError = (error: Error) => (broken = error);
    client.on('error', onError);
    try {
      broken = await this.#transact(client, plan);
    } finally {
      client.off('error', onError);
      client.release(broken);
    }
  }

  /** Resolves to the fault after which the connection is of no more use. */
  async #transact(client: PoolClient, plan: Plan): Promise<Error | undefined> {
    const tx = ++this.#transactions;
    const beganAt = Date.now();
    const events: WrittenEvent[] = [];
    const end = (outcome: WriterTransaction['outcome']) => {
      this.#journal.append({ tx, beganAt, endedAt: Date.now(), outcome, events } satisfies WriterTransaction);
    };
    try {
      await client.query('BEGIN');
      for (const [index, one] of plan.drafts.entries()) {
        events.push(writtenEvent(one, null));
        events[index]!.eventId = await publish(client, one, plan.ids[index] ?? null);
      }
      // Now and then an event that is committed already, with its id: a caller that did not get the answer.
      const repeated = this.#random() < 0.02 ? this.#committed : null;
      if (repeated !== null) await publish(client, repeated.draft, repeated.id);
      if (plan.holdMs > 0) await delay(plan.holdMs);
      if (plan.rollsBack) {
        await client.query('ROLLBACK');
        end('rolled_back');
        this.#tryAgain(plan);
        return undefined;
      }
    } catch (error) {
      // Before its COMMIT was sent a transaction can only be rolled back.
      end('rolled_back');
      this.#tryAgain(plan);
      return error as Error;
    }
    this.#intents.append({ tx, beganAt, events } satisfies Intent);
    try {
      await client.query('COMMIT');
    } catch (error) {
      end('unknown');
      this.#tryAgain(plan);
      return error as Error;
    }
    end('committed');
    this.committedEvents += events.length;
    if (plan.ids[0]) this.#committed = { draft: plan.drafts[0]!, id: plan.ids[0] };
    return undefined;
  }

  /** With given ids only: without them a second try would be another event. */
  #tryAgain(plan: Plan): void {
    if (plan.ids.every((id) => id !== null)) this.#again.push(plan);
  }
}

async function publish(client: PoolClient, { tenantId, streamId, type, payload }: Draft, id: string | null) {
  const { rows } = await client.query<{ id: string | null }>({
    name: 'chaos-publish',
    text: 'SELECT outbox.publish_event($1, $2, $3, $4::json, event_id => $5::uuid) AS id',
    values: [tenantId, streamId, type, payload, id],
  });
  return rows[0]!.id;
}

let writer: Writer | null = null;
process.once('disconnect', () => void writer?.stop());

const api = {
  start(plan: WriterStart): void {
    writer = new Writer(plan);
  },
  committed(_: null): number {
    return writer?.committedEvents ?? 0;
  },
  async stop(_: null): Promise<void> {
    await writer?.stop();
  },
};
export type WriterRole = typeof api;
serveRole(api);
