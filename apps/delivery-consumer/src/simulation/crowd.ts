// Scenarios of a crowd: one endpoint that is down while many lanes want it, and events that nobody wants any more after a while.
import { Dice, seededRandom } from '#clock';
import { catalogue } from '#events';
import { type Action, type Behaviour, type EndpointPlan, type EventPlan, type Scenario, uuid } from './scenario.ts';

const expiring = catalogue.find(({ expiresAfterMs }) => expiresAfterMs !== null)!;

/** More than ten lanes for an endpoint that fails for seconds: breaker and probes have their part to play. */
export function crowdScenarioOf(seed: number): Scenario {
  const dice = new Dice(seededRandom(seed * 2 + 1));
  const healAt = dice.between(6_000, 15_000);
  const isCalm = dice.chance(0.7);
  const partitions = dice.between(1, 2);
  const consumers = isCalm ? 1 : 2;
  const count = dice.between(1, 2);
  const endpoints = [downEndpoint(dice, healAt), { ...downEndpoint(dice, healAt), id: uuid('e', 1), windows: [] }];
  return {
    seed,
    partitions,
    consumers,
    endpoints: endpoints.slice(0, count),
    events: withLosses(dice, eventsOf(dice, endpoints.slice(0, count), partitions)),
    actions: isCalm ? [] : actionsOf(dice, healAt),
    healAt,
    options: {
      maxLanes: dice.pick([1, 5, 1_000]),
      maxQueuedPerLane: 100,
      maxBufferedRecords: 2_000,
      maxWaitMs: dice.pick([100, 1_000]),
      pageSize: dice.pick([1, 20]),
      maxInFlight: dice.pick([3, 16, 512]),
      circuitBreaker: dice.chance(0.9),
      ticketLoss: dice.pick([0, 1]),
      ticketDouble: 0,
      storeLatencyMs: dice.pick([0, 5, 60]),
      netLatencyMs: dice.pick([0, 10]),
    },
  };
}

function downEndpoint(dice: Dice, healAt: number): EndpointPlan {
  const behaviour = dice.pick<Behaviour>(['error', 'error', 'refused', 'hang', 'retry_after']);
  return {
    id: uuid('e', 0),
    exists: true,
    maxConcurrency: dice.pick([2, 6, 32]),
    maxRetries: dice.pick([1, 3]),
    onExhausted: dice.pick(['block', 'skip']),
    windows: [{ from: dice.between(0, 500), to: healAt, behaviour, share: dice.pick([0.9, 1, 1]) }],
  };
}

function eventsOf(dice: Dice, endpoints: EndpointPlan[], partitions: number): EventPlan[] {
  const sequences = new Map<number, number>();
  const streams = dice.between(12, 20);
  return Array.from({ length: streams + dice.between(0, 15) }, (_, index) => {
    const stream = index < streams ? index + 1 : dice.between(1, streams);
    const isUnordered = dice.chance(0.15);
    if (!isUnordered) sequences.set(stream, (sequences.get(stream) ?? 0) + 1);
    return {
      id: uuid('a', index),
      stream: `stream-${stream}`,
      partition: stream % partitions,
      at: dice.between(0, 50) * index,
      type: isUnordered ? expiring.type : 'UNLISTED_TYPE',
      targets: endpoints.map(({ id }) => ({ endpoint: id, sequence: isUnordered ? null : sequences.get(stream)! })),
      isPoison: false,
      hasPayloadFault: false,
      lateMs: 0,
      repeats: 0,
      conflictId: null,
      ...(isUnordered ? { ageMs: expiring.expiresAfterMs! - dice.between(-500, 5_000) } : {}),
    };
  });
}

/** Now and then a record is lost for good, or seems to be. Only one that a later one of its lanes betrays: no consumer can miss the last. */
function withLosses(dice: Dice, events: EventPlan[]): EventPlan[] {
  if (!dice.chance(0.3)) return events;
  const isBetrayed = ({ stream, at, targets }: EventPlan) =>
    targets[0]!.sequence !== null &&
    events.some(
      (later) => later.stream === stream && later.targets[0]!.sequence === targets[0]!.sequence! + 1 && later.at >= at,
    );
  return events.map((event) =>
    isBetrayed(event) && dice.chance(0.5)
      ? { ...event, isLost: true, lateMs: dice.chance(0.3) ? dice.between(5_000, 12_000) : 0 }
      : event,
  );
}

function actionsOf(dice: Dice, healAt: number): Action[] {
  const kinds: (() => Action)[] = [
    () => ({ at: 0, kind: 'crash', consumer: dice.between(0, 1), restartMs: dice.between(0, 2_000) }),
    () => ({ at: 0, kind: 'pause', consumer: dice.between(0, 1), forMs: dice.pick([2_000, 6_000]) }),
    () => ({ at: 0, kind: 'rebalance', shift: 1 }),
    () => ({ at: 0, kind: 'endpoint_paused', endpoint: 0, forMs: dice.between(100, 3_000) }),
    () => ({ at: 0, kind: 'store_hangs', forMs: 1_500 }),
  ];
  return Array.from({ length: dice.between(1, 3) }, () => ({
    ...dice.pick(kinds)(),
    at: dice.between(0, healAt),
  })).toSorted((a, b) => a.at - b.at);
}
