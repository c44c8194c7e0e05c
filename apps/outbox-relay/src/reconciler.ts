// Compares what was published with what the delivery side knows, and has published again what was lost on the way.
import type { Clock } from '#clock';
import type { Queryable } from '#database';
import { findLanesBehind, findUnknownTargets, findUnknownUnordered } from '#deliveries';
import { findLivingEndpoints } from '#endpoints';
import {
  findReconciliationWindows,
  type PageTargets,
  readPageTargets,
  readStreamTargets,
  type ReconciliationWindow,
  requestRepublication,
  storeReconciliation,
} from '#outbox';
import type { Logger } from '#telemetry';
import type { LoopResult } from '#worker';
import { hasPassed, type LogProgress } from './log-progress.ts';
import type { RelayMetrics } from './metrics.ts';

export interface ReconcilerOptions {
  /** The relay's own: it reconciles the shards that it publishes. */
  holder: string;
  /** Events are looked for when they were published this long ago. */
  afterMs: number;
  pageSize?: number;
}

/** The outbox and the deliveries may be two databases: each statement knows only one. */
export interface ReconcilerPorts {
  outbox: Queryable;
  deliveries: Queryable;
  logProgress: () => Promise<LogProgress>;
  clock: Clock;
  logger: Logger;
  metrics: Pick<RelayMetrics, 'unknownEvents' | 'reconciledAt'>;
}

/** One comparison of one shard: what was published when the ends of the log were `noted`. */
interface Round {
  window: ReconciliationWindow;
  noted: LogProgress;
  notedAt: number;
  /** Monotonic ms. */
  dueAt: number;
  /** The consumers have passed the noted ends: what is unknown now is lost. */
  isPassed: boolean;
  /** The last event that was compared; the window remembers the last one before which nothing is unknown. */
  comparedId: number;
  unknown: number;
}

const PAGE_SIZE = 1_000;
/** Between two pages: 1,000 events take PostgreSQL 4 to 8 ms, the more lanes the more, and this process up to 3. */
const PAGE_PAUSE_MS = 20;
const LOOK_EVERY_MS = 1_000;
/** Unknown events asked for before they are waited for. */
const MOST_UNKNOWN = 20_000;
const MOST_PATIENCE_MS = 300_000;
/** Rounds in a row that bring no progress, from which on it is an alarm. */
const ALARMING_REPEATS = 3;

export class Reconciler {
  readonly #options: Required<ReconcilerOptions>;
  readonly #ports: ReconcilerPorts;
  readonly #rounds = new Map<number, Round>();
  /** Rounds in a row of a shard that found something unknown. */
  readonly #repeats = new Map<number, number>();
  /** Wall ms: until when each shard is known to have arrived. */
  readonly #reconciledAt = new Map<number, number>();

  constructor(options: ReconcilerOptions, ports: ReconcilerPorts) {
    this.#options = { pageSize: PAGE_SIZE, ...options };
    this.#ports = ports;
  }

  /** One page, or a look at how far the consumers are. Throws on a fault of PostgreSQL or Kafka; nothing is skipped by it. */
  async runOnce(): Promise<LoopResult> {
    for (const round of this.#rounds.values()) {
      if (!round.isPassed) continue;
      await this.#compare(round);
      return { nextInMs: PAGE_PAUSE_MS };
    }
    await this.#beginRounds();
    return { nextInMs: await this.#lookAtLog() };
  }

  /** First what is published, then the ends of the log: they lie behind all of it. */
  async #beginRounds(): Promise<void> {
    const windows = await findReconciliationWindows(this.#ports.outbox, this.#options.holder);
    this.#keepRounds(windows);
    const fresh = windows.filter(({ shard }) => !this.#rounds.has(shard));
    if (fresh.length === 0) return;
    const noted = await this.#ports.logProgress();
    const { clock } = this.#ports;
    for (const window of fresh) {
      this.#rounds.set(window.shard, {
        window,
        noted,
        notedAt: clock.now(),
        dueAt: clock.monotonic() + this.#patienceMs(window.shard),
        isPassed: false,
        comparedId: window.lastId,
        unknown: 0,
      });
    }
  }

  /** Rounds of shards that went to another relay, whose requests are not answered yet, or whose stored window changed, are void. */
  #keepRounds(windows: readonly ReconciliationWindow[]): void {
    for (const [shard, { window }] of this.#rounds) {
      const current = windows.find((one) => one.shard === shard);
      const { prev, lastId } = window.stored;
      if (current?.stored.prev !== prev || current.stored.lastId !== lastId) this.#rounds.delete(shard);
    }
  }

  /** What was asked for is looked for as soon as the consumers have passed it, but less and less often when that does not help. */
  #patienceMs(shard: number): number {
    const repeats = this.#repeats.get(shard) ?? 0;
    if (repeats === 0) return this.#options.afterMs;
    return repeats === 1 ? 0 : Math.min(MOST_PATIENCE_MS, LOOK_EVERY_MS * 2 ** repeats);
  }

  /** Returns when to look again, in ms. */
  async #lookAtLog(): Promise<number> {
    const now = this.#ports.clock.monotonic();
    const due = [...this.#rounds.values()].filter(({ dueAt }) => dueAt <= now);
    if (due.length === 0) return LOOK_EVERY_MS;
    const progress = await this.#ports.logProgress();
    for (const round of due) round.isPassed = hasPassed(round.noted, progress);
    return due.some(({ isPassed }) => isPassed) ? 0 : LOOK_EVERY_MS;
  }

  async #compare(round: Round): Promise<void> {
    const { outbox } = this.#ports;
    const { pageSize } = this.#options;
    const page = await readPageTargets(outbox, round.window, round.comparedId, pageSize);
    const unknown = await this.#findUnknown(round, page);
    if (unknown.length > 0) {
      const request = { shard: round.window.shard, eventIds: unknown, reason: 'unknown to the delivery side' };
      await requestRepublication(outbox, request);
      round.unknown += unknown.length;
    }
    round.comparedId = page.lastId ?? round.comparedId;
    const isLast = page.events < pageSize;
    if (round.unknown === 0) await this.#advance(round, isLast);
    if (isLast || round.unknown >= MOST_UNKNOWN) this.#end(round);
  }

  /** Lanes first: the highest sequence of each, delivered, answers for all of its events. Only lanes that are behind are looked at closely. */
  async #findUnknown(round: Round, page: PageTargets): Promise<string[]> {
    const { outbox, deliveries } = this.#ports;
    const behind = await findLanesBehind(deliveries, page.lanes);
    const unordered = await findUnknownUnordered(deliveries, page.unordered);
    if (behind.length + unordered.length === 0) return [];
    const keys = new Set(behind.map(({ endpointId, streamId }) => `${endpointId} ${streamId}`));
    const streamIds = [...new Set(behind.map(({ streamId }) => streamId))];
    const details = { afterId: round.comparedId, limit: this.#options.pageSize, streamIds };
    const targets = streamIds.length === 0 ? [] : await readStreamTargets(outbox, round.window, details);
    const ordered = await findUnknownTargets(
      deliveries,
      targets.filter(({ endpointId, streamId }) => keys.has(`${endpointId} ${streamId}`)),
    );
    const unknown = [...ordered, ...unordered];
    if (unknown.length === 0) return [];
    // Nobody waits for the events of a deleted endpoint.
    const living = await findLivingEndpoints(deliveries, [...new Set(unknown.map(({ endpointId }) => endpointId))]);
    return [...new Set(unknown.filter(({ endpointId }) => living.has(endpointId)).map(({ eventId }) => eventId))];
  }

  async #advance(round: Round, isExhausted: boolean): Promise<void> {
    const { window } = round;
    window.lastId = round.comparedId;
    const isOurs = await storeReconciliation(this.#ports.outbox, this.#options.holder, window, isExhausted);
    if (!isOurs) return void this.#rounds.delete(window.shard);
    this.#repeats.delete(window.shard);
    if (!isExhausted) return;
    this.#reconciledAt.set(window.shard, round.notedAt);
    this.#ports.metrics.reconciledAt.set(Math.min(...this.#reconciledAt.values()) / 1000);
  }

  #end({ window, unknown }: Round): void {
    const { shard } = window;
    this.#rounds.delete(shard);
    if (unknown === 0) return;
    const { logger, metrics } = this.#ports;
    const repeats = (this.#repeats.get(shard) ?? 0) + 1;
    this.#repeats.set(shard, repeats);
    metrics.unknownEvents.inc(unknown);
    const report = { shard, events: unknown, repeats };
    if (repeats < ALARMING_REPEATS) logger.warn(report, 'events were lost on the way; they are published again');
    else logger.error(report, 'events stay unknown to the delivery side although they were published again');
  }
}
