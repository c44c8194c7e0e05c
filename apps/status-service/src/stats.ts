// Counters and rates for charts and metrics: read seldom, shared by all who ask.
import type { Clock } from '#clock';
import type { Pool } from '#database';
import {
  type AttemptMinute,
  countAttemptsByMinute,
  countFinishedDeliveries,
  countLanes,
  countOpenDeliveries,
  type LaneCounts,
} from '#deliveries';
import { Cached } from './cached.ts';

const MINUTE_MS = 60_000;
const CHART_MINUTES = 60;
/** An attempt is on record within a second of its end, and ends within a minute: older minutes stand still. */
const MOVING_MINUTES = 3;
const LANES_MAX_AGE_MS = 5_000;
const HISTORY_MAX_AGE_MS = 30_000;
/** Tenants whose own figures are kept at a time. */
const MOST_TENANTS = 1_000;

export interface BacklogFigures {
  lanes: LaneCounts;
  waiting: Awaited<ReturnType<typeof countOpenDeliveries>>;
}

export type FinishedFigures = Awaited<ReturnType<typeof countFinishedDeliveries>>;

interface Figures {
  backlog: Cached<BacklogFigures>;
  finished: Cached<FinishedFigures>;
}

export class Stats {
  readonly #pool: Pool;
  readonly #clock: Clock;
  readonly #ofAll: Figures;
  readonly #ofTenant = new Map<string, Figures>();
  readonly #attempts: Cached<AttemptMinute[]>;
  #minutes: AttemptMinute[] | undefined;
  /** The minute that was moving at the last reading. */
  #readUntilAt = 0;

  constructor(pool: Pool, clock: Clock) {
    this.#pool = pool;
    this.#clock = clock;
    this.#ofAll = this.#figures(undefined);
    this.#attempts = new Cached({ read: () => this.#readAttempts(), maxAgeMs: LANES_MAX_AGE_MS, clock });
  }

  backlog(tenantId?: string): Promise<BacklogFigures> {
    return this.#of(tenantId).backlog.get();
  }

  finishedLastHour(tenantId?: string): Promise<FinishedFigures> {
    return this.#of(tenantId).finished.get();
  }

  /** The last hour's minutes that had attempts, oldest first. */
  attemptsPerMinute(): Promise<AttemptMinute[]> {
    return this.#attempts.get();
  }

  #of(tenantId: string | undefined): Figures {
    if (tenantId === undefined) return this.#ofAll;
    const known = this.#ofTenant.get(tenantId);
    if (known) return known;
    if (this.#ofTenant.size >= MOST_TENANTS) this.#ofTenant.clear();
    const figures = this.#figures(tenantId);
    this.#ofTenant.set(tenantId, figures);
    return figures;
  }

  #figures(tenantId: string | undefined): Figures {
    const [pool, clock] = [this.#pool, this.#clock];
    const filter = tenantId === undefined ? {} : { tenantId };
    const readBacklog = async () => {
      const [lanes, waiting] = await Promise.all([countLanes(pool, filter), countOpenDeliveries(pool, filter)]);
      return { lanes, waiting };
    };
    const readFinished = () =>
      countFinishedDeliveries(pool, { ...filter, from: new Date(clock.now() - CHART_MINUTES * MINUTE_MS) });
    return {
      backlog: new Cached({ read: readBacklog, maxAgeMs: LANES_MAX_AGE_MS, clock }),
      finished: new Cached({ read: readFinished, maxAgeMs: HISTORY_MAX_AGE_MS, clock }),
    };
  }

  /** The whole hour once, and after that only the minutes that may still grow. */
  async #readAttempts(): Promise<AttemptMinute[]> {
    const thisMinuteAt = Math.floor(this.#clock.now() / MINUTE_MS) * MINUTE_MS;
    const oldestAt = thisMinuteAt - (CHART_MINUTES - 1) * MINUTE_MS;
    const readFromAt = this.#minutes ? this.#readUntilAt - MOVING_MINUTES * MINUTE_MS : oldestAt;
    const fromAt = Math.max(oldestAt, readFromAt);
    const fresh = await countAttemptsByMinute(this.#pool, new Date(fromAt));
    const kept = (this.#minutes ?? []).filter(({ minuteAt }) => minuteAt >= oldestAt && minuteAt < fromAt);
    this.#minutes = [...kept, ...fresh];
    this.#readUntilAt = thisMinuteAt;
    return this.#minutes;
  }
}
