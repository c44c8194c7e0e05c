// Lanes that wait for a missing record: has the event published again, or, when the outbox has it no more, says that it is lost.
import type { Clock } from '#clock';
import type { Queryable } from '#database';
import { findGaps, type Gap, reportEventLost } from '#deliveries';
import { findEventIds, findHeldShards, findIdRange, findStreamEvents, requestRepublication, shardsOf } from '#outbox';
import type { Logger } from '#telemetry';
import type { LoopResult } from '#worker';
import type { RelayMetrics } from './metrics.ts';

export interface GapHealerOptions {
  /** The relay's own: it heals the lanes whose streams lie in the shards that it publishes. */
  holder: string;
  /** A record may come a moment after the one behind it. 5,000 by default. */
  minAgeMs?: number;
  /** A lane whose event was published again, or is lost, is left alone for this long. 30,000 by default. */
  restMs?: number;
  /** Ids read at once: of four shards, a quarter are rows of one. 50,000 by default, about 15 ms of PostgreSQL. */
  idsAtOnce?: number;
}

export interface GapHealerPorts {
  outbox: Queryable;
  deliveries: Queryable;
  clock: Clock;
  logger: Logger;
  metrics: Pick<RelayMetrics, 'unknownEvents' | 'lostEvents'>;
}

const GAPS_AT_ONCE = 500;
const LOOK_EVERY_MS = 1_000;
const CHUNK_PAUSE_MS = 50;

/** Reads a shard downwards, for all of its lanes with a gap at once. */
interface Search {
  shard: number;
  /** By lane; with the sequences that were found. */
  gaps: Map<string, Gap & { found: Set<number> }>;
  /** Ids above `aboveId` up to this one are still to be read. */
  upToId: number;
  aboveId: number;
}

export class GapHealer {
  readonly #options: Required<GapHealerOptions>;
  readonly #ports: GapHealerPorts;
  #searches: Search[] = [];
  /** Monotonic ms by lane. */
  readonly #restsUntil = new Map<string, number>();
  #after: GapPosition | null = null;

  constructor(options: GapHealerOptions, ports: GapHealerPorts) {
    this.#options = { minAgeMs: 5_000, restMs: 30_000, idsAtOnce: 50_000, ...options };
    this.#ports = ports;
  }

  /** A part of a search, or a look for gaps. Throws on a fault of PostgreSQL. */
  async runOnce(): Promise<LoopResult> {
    const search = this.#searches[0];
    if (!search) return { nextInMs: (await this.#lookForGaps()) ? 0 : LOOK_EVERY_MS };
    try {
      if (await this.#searchOn(search)) this.#searches.shift();
    } catch (error) {
      // What is searched for may have changed by the time the database is back.
      this.#searches = [];
      throw error;
    }
    return { nextInMs: CHUNK_PAUSE_MS };
  }

  /** Returns whether there is anything to search for. */
  async #lookForGaps(): Promise<boolean> {
    const { outbox, deliveries, clock } = this.#ports;
    const { holder, minAgeMs } = this.#options;
    const now = clock.monotonic();
    for (const [key, until] of this.#restsUntil) if (until <= now) this.#restsUntil.delete(key);
    const held = await findHeldShards(outbox, holder);
    if (held.length === 0) return false;
    const gaps = await findGaps(deliveries, { minAgeMs, limit: GAPS_AT_ONCE, after: this.#after });
    this.#after = gaps.length < GAPS_AT_ONCE ? null : gaps.at(-1)!;
    const open = gaps.filter((gap) => !this.#restsUntil.has(keyOf(gap)));
    if (open.length === 0) return false;
    const shards = await shardsOf(
      outbox,
      open.map(({ streamId }) => streamId),
    );
    const byShard = Map.groupBy(
      open.map((gap, n) => ({ gap, shard: shards[n]! })),
      ({ shard }) => shard,
    );
    for (const shard of held) {
      const found = byShard.get(shard)?.map(({ gap }) => gap);
      if (found) this.#searches.push(await this.#newSearch(shard, found));
    }
    return this.#searches.length > 0;
  }

  /** Between the event before each gap and the one behind it, as far as the outbox has them: ids are in the order of a lane. */
  async #newSearch(shard: number, gaps: readonly Gap[]): Promise<Search> {
    const { outbox } = this.#ports;
    const named = gaps.flatMap(({ nextWaitingEventId, deliveredEventId }) => [nextWaitingEventId, deliveredEventId]);
    const ids = await findEventIds(
      outbox,
      named.filter((id) => id !== null),
    );
    const { lowestId, lastDrawnId } = await findIdRange(outbox, shard);
    const below = gaps.map(({ nextWaitingEventId }) => ids.get(nextWaitingEventId)?.lastId ?? lastDrawnId + 1);
    const above = gaps.map(({ deliveredEventId }) => ids.get(deliveredEventId ?? '')?.firstId ?? lowestId - 1);
    return {
      shard,
      gaps: new Map(gaps.map((gap) => [keyOf(gap), { ...gap, found: new Set() }])),
      upToId: Math.max(...below) - 1,
      aboveId: Math.min(...above),
    };
  }

  /** Returns true when the search is over. */
  async #searchOn(search: Search): Promise<boolean> {
    const aboveId = Math.max(search.aboveId, search.upToId - this.#options.idsAtOnce);
    await this.#readRange(search, aboveId);
    search.upToId = aboveId;
    const isMissing = [...search.gaps.values()].some((gap) => gap.found.size < gapSize(gap));
    if (isMissing && search.upToId > search.aboveId) return false;
    const restsUntil = this.#ports.clock.monotonic() + this.#options.restMs;
    for (const [key, gap] of search.gaps) {
      if (!gap.found.has(gap.delivered + 1)) await this.#reportLost(gap);
      this.#restsUntil.set(key, restsUntil);
    }
    return true;
  }

  async #readRange({ shard, gaps, upToId }: Search, aboveId: number): Promise<void> {
    const { outbox, logger, metrics } = this.#ports;
    const streamIds = [...new Set([...gaps.values()].map(({ streamId }) => streamId))];
    const events = await findStreamEvents(outbox, { shard, aboveId, upToId, streamIds });
    const wanted = events.filter(({ endpointId, streamId, sequence }) => {
      const gap = gaps.get(keyOf({ endpointId, streamId }));
      if (!gap || sequence <= gap.delivered || sequence >= gap.nextWaiting) return false;
      gap.found.add(sequence);
      return true;
    });
    if (wanted.length === 0) return;
    // Oldest first, as they were published at first.
    const eventIds = [...new Set(wanted.map(({ eventId }) => eventId))].toReversed();
    await requestRepublication(outbox, { shard, eventIds, reason: 'a lane waits for it' });
    metrics.unknownEvents.inc(eventIds.length);
    logger.warn(
      { shard, events: eventIds.length, lanes: gaps.size },
      'lanes wait for lost records; they are published again',
    );
  }

  /** The relay read the event behind the gap from the outbox, so this one was there too: its row has been removed since. */
  async #reportLost(gap: Gap): Promise<void> {
    const { deliveries, logger, metrics } = this.#ports;
    const { endpointId, streamId, delivered, nextWaiting } = gap;
    const sequence = delivered + 1;
    const reason = `the outbox has no row for sequence ${sequence}, and ${nextWaiting} waits`;
    if (!(await reportEventLost(deliveries, { endpointId, streamId, sequence, reason }))) return;
    metrics.lostEvents.inc();
    logger.error({ endpointId, streamId, sequence, nextWaiting }, 'event lost: the outbox has it no more');
  }
}

type GapPosition = Pick<Gap, 'endpointId' | 'streamId'>;

const keyOf = ({ endpointId, streamId }: GapPosition) => `${endpointId} ${streamId}`;
const gapSize = ({ delivered, nextWaiting }: Gap) => nextWaiting - delivered - 1;
