// The relay on a database that a test gives it: a log in memory, crashes at chosen points, and the judge of what was published.
import { FakeClock, type Random } from '#clock';
import { createPool, type Pool, type PoolClient } from '#database';
import { runMigrations } from '#database/typeorm';
import { outboxMigrations, type OutboxRow } from '#outbox';
import { createLogger, createMetrics } from '#telemetry';
import { createRelayMetrics } from './metrics.ts';
import { Relay } from './relay.ts';
import type { SessionSource } from './session.ts';

export const SHARDS = 3;
export const TENANT = 'acme';
/** Every event of TENANT goes to both: two lanes for each stream. */
export const ENDPOINTS = ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'];

/** For `createTestDatabase`: the outbox alone, as a domain service's database holds it. */
export async function migrate(url: string): Promise<void> {
  await runMigrations(url, outboxMigrations({ shards: 3 }));
  const pool = createPool({ url, max: 1, applicationName: 'test-migrate' });
  await pool.query(`INSERT INTO outbox.route SELECT 'acme', '*', unnest($1::uuid[])`, [
    ['00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b'],
  ]);
  await pool.end();
}

/** Where a relay dies. `produce` leaves a random part of the page on the log. */
export type CrashPoint = 'read' | 'produce' | 'before store' | 'after store';

export class Crash extends Error {
  readonly retryable = true;
}

/** What Kafka would hold: one list for each stream, because a stream has one partition. */
export class MemoryLog {
  readonly streams = new Map<string, OutboxRow[]>();

  append(row: OutboxRow): void {
    const records = this.streams.get(row.streamId);
    if (records) records.push(row);
    else this.streams.set(row.streamId, [row]);
  }

  get length(): number {
    let length = 0;
    for (const records of this.streams.values()) length += records.length;
    return length;
  }

  get eventIds(): Set<string> {
    return new Set([...this.streams.values()].flat().map((row) => row.eventId));
  }

  /** Each lane's sequences in the order of the log, keyed `stream endpoint`. */
  lanes(): Map<string, { sequence: number; eventId: string }[]> {
    const lanes = new Map<string, { sequence: number; eventId: string }[]>();
    for (const [stream, rows] of this.streams) {
      for (const row of rows) {
        for (const [endpoint, sequence] of JSON.parse(row.targets) as [string, number][]) {
          const key = `${stream} ${endpoint}`;
          const lane = lanes.get(key) ?? [];
          lane.push({ sequence, eventId: row.eventId });
          lanes.set(key, lane);
        }
      }
    }
    return lanes;
  }
}

/**
 * What is wrong with a log: P1 (everything committed is there, nothing rolled back), and the order that consumers rely on:
 * a sequence appears for the first time right after the one below it, and a repeat goes on from where it began.
 */
export function faultsOf(log: MemoryLog, committed: ReadonlySet<string>): string[] {
  const faults: string[] = [];
  const published = log.eventIds;
  for (const id of committed) if (!published.has(id)) faults.push(`lost: ${id}`);
  for (const id of published) if (!committed.has(id)) faults.push(`phantom: ${id}`);
  for (const [lane, records] of log.lanes()) {
    const owners = new Map<number, string>();
    let highest = 0;
    for (const { sequence, eventId } of records) {
      if (sequence > highest + 1) faults.push(`out of order: ${lane} has ${sequence} after ${highest}`);
      highest = Math.max(highest, sequence);
      const owner = owners.get(sequence) ?? eventId;
      if (owner !== eventId) faults.push(`two events: ${lane} ${sequence}`);
      owners.set(sequence, owner);
    }
  }
  return faults;
}

export interface TestRelayOptions {
  sessions: SessionSource;
  log: MemoryLog;
  random: Random;
  pageSize: number;
  leaseMs?: number;
}

let relaysMade = 0;

/** A relay whose passes a test runs one by one, and which dies where it is told to. */
export class TestRelay {
  readonly relay: Relay;
  readonly clock = new FakeClock();
  readonly holder = `relay-${++relaysMade}`;
  readonly #log: MemoryLog;
  readonly #random: Random;
  #crashAt: CrashPoint | null = null;
  #closeSession: () => void = () => undefined;
  /** Awaited between the read and the produce: a pause of the whole process at the worst moment. */
  onProduce: ((rows: readonly OutboxRow[]) => Promise<void>) | null = null;
  passes = 0;
  rowsPublished = 0;

  constructor(options: TestRelayOptions) {
    this.#log = options.log;
    this.#random = options.random;
    const metrics = createRelayMetrics(createMetrics('outbox-relay', 'test'), async () => null);
    const sessions = this.#dyingAt(options.sessions);
    const logger = createLogger('outbox-relay', 'silent');
    this.relay = new Relay(
      {
        holder: this.holder,
        leaseMs: options.leaseMs ?? 60_000,
        pageSize: options.pageSize,
        busyIntervalMs: 4,
        idleIntervalMs: 50,
      },
      { sessions, clock: this.clock, logger, metrics },
    );
    this.relay.publishWith((rows) => this.#publish(rows));
  }

  /** One pass; the lease is renewed and shards are claimed when `advanceMs` is a third of the lease or more. */
  async pass(options: { advanceMs?: number; crashAt?: CrashPoint | null } = {}): Promise<'done' | 'crashed'> {
    this.clock.advance(options.advanceMs ?? 10);
    this.#crashAt = options.crashAt ?? null;
    this.passes++;
    try {
      await this.relay.runOnce();
      return 'done';
    } catch (error) {
      if (error instanceof Crash) return 'crashed';
      throw error;
    } finally {
      this.#crashAt = null;
    }
  }

  /** Passes until one finds nothing, twice in a row; each claims what is free. */
  async settle(): Promise<void> {
    for (let idle = 0; idle < 2;) {
      const before = this.rowsPublished;
      await this.pass({ advanceMs: 60_000 });
      idle = this.rowsPublished === before ? idle + 1 : 0;
    }
  }

  /** As kill -9: its connection breaks, its leases stay. */
  kill(): void {
    this.#closeSession();
  }

  async #publish(rows: readonly OutboxRow[]): Promise<void> {
    await this.onProduce?.(rows);
    this.rowsPublished += rows.length;
    if (this.#crashAt !== 'produce') {
      for (const row of rows) this.#log.append(row);
      return;
    }
    // Each partition has acknowledged a part of its own.
    const share = new Map<string, boolean>();
    for (const row of rows) {
      const goesOn = (share.get(row.streamId) ?? true) && this.#random() < 0.6;
      share.set(row.streamId, goesOn);
      if (goesOn) this.#log.append(row);
    }
    throw new Crash('died while producing');
  }

  #dyingAt(sessions: SessionSource): SessionSource {
    const crashAt = (point: CrashPoint, what: string) => {
      if (this.#crashAt === point) throw new Crash(what);
    };
    return {
      open: async () => {
        const session = await sessions.open();
        let isOpen = true;
        this.#closeSession = () => {
          if (isOpen) session.close();
          isOpen = false;
        };
        return {
          ...session,
          readPage: async (shards, limit) => {
            crashAt('read', 'died before it read');
            return session.readPage(shards, limit);
          },
          storeProgress: async (holder, leaseMs, shards) => {
            crashAt('before store', 'died before it stored');
            const kept = await session.storeProgress(holder, leaseMs, shards);
            crashAt('after store', 'died after it stored');
            return kept;
          },
          close: this.#closeSession,
        };
      },
    };
  }
}

/** As if every lease had run out: whoever comes next takes the shards, whatever their holders believe. */
export async function expireLeases(pool: Pool): Promise<void> {
  await pool.query(
    `UPDATE outbox.shard SET lease_until = '-infinity'; UPDATE outbox.relay SET alive_until = '-infinity'`,
  );
}

/** The call of a domain service, on its own connection. */
export async function publish(client: Pick<PoolClient, 'query'>, streamId: string, payload = '{}'): Promise<string> {
  const { rows } = await client.query<{ id: string }>('SELECT outbox.publish_event($1, $2, $3, $4::json) AS id', [
    TENANT,
    streamId,
    'SOMETHING_HAPPENED',
    payload,
  ]);
  return rows[0]!.id;
}
