// Did everything arrive, once or more, in order, and never ahead of its turn? Judged from what the receiver saw alone.
import type { Arrival } from '../receiver/sample-receiver.ts';

/** An event that the sample service committed. */
export interface Published {
  streamId: string;
  eventId: string;
  eventType: string;
  isOrdered: boolean;
  /** The subscriptions that asked for its type. */
  subscriptions: readonly string[];
}

/** One subscription and stream: what was to come, and what came. */
export interface LaneVerdict {
  subscription: string;
  streamId: string;
  expected: number;
  delivered: number;
  requests: number;
  /** From the first refusal of a head to its success, all of them together. */
  blockedMs: number;
  faults: string[];
}

/** Pure; arrivals of streams that were not published are left out. */
export function judge(published: readonly Published[], arrivals: readonly Arrival[]): LaneVerdict[] {
  const lanes = Map.groupBy(
    published.flatMap((event) => event.subscriptions.map((subscription) => ({ subscription, event }))),
    ({ subscription, event }) => laneOf(subscription, event.streamId),
  );
  const arrivalsOf = Map.groupBy(arrivals, ({ subscription, streamId }) => laneOf(subscription, streamId));
  return [...lanes].map(([lane, entries]) => {
    const { subscription, event } = entries[0]!;
    const events = entries.map((entry) => entry.event);
    return { subscription, streamId: event.streamId, ...judgeLane(events, arrivalsOf.get(lane) ?? []) };
  });
}

function judgeLane(events: readonly Published[], arrivals: readonly Arrival[]) {
  const ordered = events.filter(({ isOrdered }) => isOrdered);
  const byEvent = new Map(events.map((event) => [event.eventId, event]));
  const faults: string[] = [];
  const accepted = new Set<string>();
  let next = 0;
  let blockedAtMs: number | null = null;
  let blockedMs = 0;
  for (const arrival of arrivals) {
    const { eventId, sequence, fault, statusCode, atMs } = arrival;
    const event = byEvent.get(eventId);
    if (fault !== null) faults.push(`${arrival.eventType} could not be verified: ${fault}`);
    if (!event) {
      faults.push(`${eventId} was never published`);
      continue;
    }
    if (event.isOrdered && !accepted.has(eventId)) {
      const turn = ordered[next];
      if (turn?.eventId !== eventId) faults.push(`${event.eventType} came before ${turn?.eventType} was taken`);
      else if (sequence !== next + 1) faults.push(`${event.eventType} has sequence ${sequence}, not ${next + 1}`);
    }
    if (statusCode !== 200) {
      blockedAtMs ??= event.isOrdered ? atMs : null;
    } else if (!accepted.has(eventId)) {
      accepted.add(eventId);
      if (event.isOrdered) {
        next++;
        if (blockedAtMs !== null) blockedMs += atMs - blockedAtMs;
        blockedAtMs = null;
      }
    }
  }
  return { expected: events.length, delivered: accepted.size, requests: arrivals.length, blockedMs, faults };
}

function laneOf(subscription: string, streamId: string): string {
  return `${subscription} ${streamId}`;
}

/** True when nothing is missing any more. */
export function isComplete(verdicts: readonly LaneVerdict[]): boolean {
  return verdicts.every(({ expected, delivered }) => delivered === expected);
}
