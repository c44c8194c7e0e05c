// C3, C4 and C5: the order of each lane's first successes, their completeness, and nothing begun before its turn.
import {
  aboutDelivery,
  CLOCK_MS,
  DATABASE_CLOCK_MS,
  type Delivery,
  type Facts,
  isOrdered,
  isSeen,
  type LaneFacts,
  targetsOf,
  type WrittenEvent,
} from './facts.ts';
import type { Findings } from './findings.ts';
import type { Request } from './request.ts';
import { endFault, terminalRecord } from './terminal.ts';

/** The lane's deliveries by sequence; where two claim one, the first (C6 names the conflict). */
function inOrder({ deliveries }: LaneFacts): Delivery[] {
  return [...deliveries].toSorted(([a], [b]) => a - b).map(([, [delivery]]) => delivery!);
}

const firstSuccess = ({ requests }: Delivery): Request | undefined => requests.find((request) => request.isAccepted);

const aboutLane = ({ endpoint, streamId }: LaneFacts) => ({ endpointId: endpoint.id, path: endpoint.path, streamId });

/** C3: by the receiver's journal alone, and the sequences themselves against the order of the commits. */
export function findDisorder(facts: Facts, findings: Findings): void {
  findings.figure('lanes', facts.lanes.size);
  for (const lane of facts.lanes.values()) {
    let last: { delivery: Delivery; n: number } | null = null;
    for (const delivery of inOrder(lane)) {
      const success = firstSuccess(delivery);
      if (!success) continue;
      findings.count('first successes');
      if (last && success.n < last.n)
        findings.violation(`first success before that of ${last.delivery.sequence}`, {
          ...aboutDelivery(delivery),
          n: success.n,
        });
      if (!last || success.n > last.n) last = { delivery, n: success.n };
    }
    checkCommitOrder(lane, findings);
  }
}

/**
 * Sequence order is commit order: calls of one transaction in their order, and what was committed before another transaction
 * began comes before its events. Overlapping transactions may have either order.
 */
function checkCommitOrder(lane: LaneFacts, findings: Findings): void {
  const deliveries = inOrder(lane).filter(({ event }) => event !== undefined);
  let earliestEnd = Infinity;
  for (const [index, delivery] of [...deliveries.entries()].toReversed()) {
    const event = delivery.event!;
    if (earliestEnd < event.beganAt)
      findings.violation('its sequence is lower than one that was committed before it', aboutDelivery(delivery));
    earliestEnd = Math.min(earliestEnd, event.endedAt);
    const next = deliveries[index + 1]?.event;
    if (next && isCalledBefore(next, event))
      findings.violation(
        'its sequence is lower than one that its own transaction published before it',
        aboutDelivery(delivery),
      );
  }
}

/** In every transaction that may have committed either of them. */
function isCalledBefore(first: WrittenEvent, second: WrittenEvent): boolean {
  const sameCalls =
    first.calls.length === second.calls.length && first.calls.every(({ tx }, at) => tx === second.calls[at]!.tx);
  return sameCalls && first.calls.length > 0 && first.calls.every(({ index }, at) => index < second.calls[at]!.index);
}

/** C4: 1, 2, 3 … without a hole, but for ends that something outside the lane allows. */
export function findGaps(facts: Facts, findings: Findings): void {
  const expected = expectedLengths(facts);
  for (const lane of facts.lanes.values()) {
    const successes = inOrder(lane).filter((delivery) => firstSuccess(delivery));
    const last = successes.at(-1)?.sequence ?? 0;
    for (let sequence = 1; sequence < last; sequence++) {
      const [delivery] = lane.deliveries.get(sequence) ?? [];
      const fault = delivery ? gapFault(delivery, facts, findings) : 'nothing is known of it';
      if (fault !== null) findings.violation(`gap at ${sequence}: ${fault}`, { ...aboutLane(lane), sequence, last });
    }
    const length = expected.get(lane.endpoint.id)?.get(lane.streamId) ?? { least: 0, most: 0 };
    const highest = Math.max(0, ...lane.deliveries.keys());
    if (highest > length.most)
      findings.violation(
        `sequence ${highest}, but only ${length.most} events were written for the lane`,
        aboutLane(lane),
      );
    if (facts.manifest.quiescedAt !== null && highest < length.least)
      findings.violation(
        `sequences end at ${highest}, but ${length.least} events were committed for the lane`,
        aboutLane(lane),
      );
  }
}

function gapFault(delivery: Delivery, facts: Facts, findings: Findings): string | null {
  if (firstSuccess(delivery)) return null;
  const record = terminalRecord(delivery);
  if (!record) return 'neither accepted nor ended';
  if (record.state === 'delivered') return 'delivered on record, never accepted';
  findings.count(`excused: ${record.state}`);
  return endFault(delivery, record, facts);
}

/** How many sequences each lane must and may have: by endpoint and stream. */
function expectedLengths(facts: Facts): Map<string, Map<string, { least: number; most: number }>> {
  const lengths = new Map(
    facts.manifest.endpoints.map(({ id }) => [id, new Map<string, { least: number; most: number }>()]),
  );
  for (const event of facts.events) {
    if (event.eventId === null || event.outcome === 'rolled_back' || !isOrdered(event.type)) continue;
    const { must, may } = targetsOf(event, facts);
    const isSure = event.outcome === 'committed' || isSeen(event, facts);
    for (const endpoint of may) {
      const ofEndpoint = lengths.get(endpoint.id)!;
      const { least, most } = ofEndpoint.get(event.streamId) ?? { least: 0, most: 0 };
      ofEndpoint.set(event.streamId, { least: least + Number(isSure && must.includes(endpoint)), most: most + 1 });
    }
  }
  return lengths;
}

/** C5: what came before its predecessor had ended, as far as any sender could know. */
export function findPrematureStarts(facts: Facts, findings: Findings): void {
  for (const lane of facts.lanes.values()) {
    for (const delivery of inOrder(lane)) {
      const [first] = delivery.requests;
      if (!first || delivery.sequence === 1) continue;
      findings.count('checked starts');
      const [before] = lane.deliveries.get(delivery.sequence! - 1) ?? [];
      if (before && (isKnownAccepted(before, first) || hasEnded(before, first, facts))) continue;
      findings.violation(`begun while ${delivery.sequence! - 1} was not terminal`, {
        ...aboutDelivery(delivery),
        n: first.n,
      });
    }
  }
}

/**
 * A success whose answer had left before the request came. Of an answer that was cut the status line may have been read long
 * before the end, so there the order of arrival decides.
 */
function isKnownAccepted(before: Delivery, first: Request): boolean {
  return before.requests.some(
    ({ isAccepted, answer, n, answeredAt }) =>
      isAccepted &&
      n < first.n &&
      (answer === 'cut' || (answer === 'full' && answeredAt !== null && answeredAt <= first.receivedAt + CLOCK_MS)),
  );
}

/** Ended without a success, and rightly. The operator's skip counts from its request on: its record is written a moment later. */
function hasEnded(before: Delivery, first: Request, facts: Facts): boolean {
  const record = terminalRecord(before);
  if (!record || record.state === 'delivered' || endFault(before, record, facts) !== null) return false;
  return record.finishedAt <= first.receivedAt + DATABASE_CLOCK_MS;
}
