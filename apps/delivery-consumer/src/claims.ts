// Records whose sequence is taken: repeats, as a rule, settled many at a time; another event under the same sequence halts its lane.
import type { SequenceClaim } from '#deliveries';
import type { WaybillEvent } from '#events';
import { type Delivery, type Lane, newDelivery, type RecordPosition } from '#lane';
import { type Context, partitionOf } from './context.ts';
import type { Transitions } from './transitions.ts';

/** A record at or below its lane's `delivered`, or at a sequence that waits: a repeat, unless its event id is another. */
export interface Claim {
  lane: Lane;
  sequence: number;
  event: WaybillEvent;
  /** The records that are done when this is settled. */
  positions: readonly RecordPosition[];
}

type Verdict = { verdict: 'conflict' } | { verdict: 'skipped'; reason: string };

/** Asked about in one query: about 10 ms. */
const MOST_AT_ONCE = 1_000;
const FAULT_PAUSE_MS = 1_000;

export class Claims {
  readonly #context: Context;
  readonly #transitions: Transitions;
  #waiting: Claim[] = [];
  #isRunning = false;

  constructor(context: Context, transitions: Transitions) {
    this.#context = context;
    this.#transitions = transitions;
  }

  /** Returns at once. Claims of a partition that is lost meanwhile are forgotten: its records are read again. */
  settle(claim: Claim): void {
    const { lane } = claim;
    // A lane that left memory would halt without anybody noticing, and its record would never be done.
    lane.claims++;
    this.#add(claim);
  }

  #add(claim: Claim): void {
    this.#waiting.push(claim);
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // All that come in one go are asked about together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const claims = this.#waiting.splice(0, MOST_AT_ONCE).filter((claim) => !this.#waitsForCommit(claim));
      try {
        const judgements = await this.#judge(claims);
        for (const claim of claims) this.#settle(claim, judgements.get(claim));
      } catch (error) {
        // As long as it takes: nothing may be judged by a guess.
        this.#context.logger.warn({ error, claims: claims.length }, 'could not look up sequences; trying again');
        await new Promise<void>((resolve) => this.#context.clock.schedule(FAULT_PAUSE_MS, resolve));
        this.#waiting.unshift(...claims);
      }
    }
    this.#isRunning = false;
  }

  /**
   * What has left memory and is not on record yet can't be asked about: the database would know no event of that sequence.
   * Looked at each time just before the question, because a lane may be spilled while its claim waits for others.
   */
  #waitsForCommit(claim: Claim): boolean {
    const { lane } = claim;
    if (lane.unsaved === 0 || inMemory(claim)) return false;
    this.#context.journal.afterCommit(lane.partition, () => this.#add(claim));
    return true;
  }

  async #judge(claims: readonly Claim[]): Promise<Map<Claim, Verdict>> {
    const verdicts = new Map<Claim, Verdict>();
    const asked = new Map<SequenceClaim, Claim>();
    for (const claim of claims) {
      const known = inMemory(claim);
      if (!known) asked.set(questionOf(claim), claim);
      else if (known.event.eventId !== claim.event.eventId) verdicts.set(claim, { verdict: 'conflict' });
    }
    const found = asked.size === 0 ? [] : await this.#context.store.judgeClaims([...asked.keys()]);
    for (const { claim, ...verdict } of found) verdicts.set(asked.get(claim)!, verdict);
    return verdicts;
  }

  #settle(claim: Claim, judged: Verdict | undefined): void {
    const { lane } = claim;
    lane.claims--;
    if (partitionOf(this.#context, lane) === undefined) return;
    if (!judged) finish(claim);
    else if (judged.verdict === 'conflict') this.#onConflict(claim);
    else this.#recordSkip(claim, judged.reason);
  }

  /** Its lane has gone past it; the record that comes now says at least which event it was. */
  #recordSkip(claim: Claim, reason: string): void {
    const { journal, metrics } = this.#context;
    const delivery = deliveryOf(claim);
    delivery.positions.push(...claim.positions);
    journal.finish(claim.lane.partition, delivery, 'skipped', `operator: ${reason}`);
    metrics.finished.inc({ state: 'skipped' });
  }

  /**
   * The lane halts at its next turn: a request in flight ends first. The record is done when the halt is on record and Kafka
   * has the copy: nothing else would tell of this event.
   */
  #onConflict(claim: Claim): void {
    const { logger, metrics, outgoing, journal } = this.#context;
    const { lane, sequence, event } = claim;
    const partition = partitionOf(this.#context, lane)!;
    logger.error(
      { endpointId: lane.endpointId, streamId: lane.streamId, sequence, eventId: event.eventId },
      'another event has this sequence',
    );
    if (lane.mode !== 'halted') this.#transitions.halt(partition, lane, 'sequence_conflict');
    journal.afterCommit(partition.number, () => {
      outgoing.deadLetterDelivery(deliveryOf(claim), 'sequence_conflict', () => finish(claim));
      metrics.deadLetters.inc({ reason: 'sequence_conflict' });
    });
  }
}

function inMemory({ lane, sequence }: Claim): Delivery | undefined {
  return lane.queue.find((delivery) => delivery.sequence === sequence);
}

function questionOf({ lane, sequence, event }: Claim): SequenceClaim {
  const { eventId, enqueuedAt } = event;
  return { endpointId: lane.endpointId, streamId: lane.streamId, sequence, eventId, enqueuedAt };
}

function finish({ positions }: Claim): void {
  for (const position of positions) position.settle();
}

/** Of an event that was not sent, and will not be. */
function deliveryOf({ lane, sequence, event }: Claim): Delivery {
  return newDelivery({ event, endpointId: lane.endpointId, sequence, admittedAt: 0, positions: [] });
}
