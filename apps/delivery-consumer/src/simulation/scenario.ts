// What happens in one simulated run, drawn from a seed as plain data: so that a failing run can be made smaller.
import { Dice, seededRandom } from '#clock';
import { catalogue } from '#events';
import type { ProducedRecord } from '#kafka';

export type Behaviour =
  | 'ok'
  | 'slow' // answers after seconds
  | 'error' // 500
  | 'hang' // times out; the receiver may have seen it
  | 'answer_lost' // the receiver accepts, the sender never learns
  | 'retry_after' // 503 with Retry-After: 1
  | 'gone' // 410
  | 'blocked' // the address guard refuses: nothing is sent
  | 'refused'; // connection refused: nothing is sent

export interface EndpointPlan {
  id: string;
  /** False: the id was never registered. */
  exists: boolean;
  maxConcurrency: number;
  maxRetries: number;
  onExhausted: 'block' | 'skip';
  windows: { from: number; to: number; behaviour: Behaviour; share: number }[];
}

export interface EventPlan {
  id: string;
  stream: string;
  partition: number;
  at: number;
  type: string;
  targets: { endpoint: string; sequence: number | null }[];
  /** Fails always, until the faults are over. */
  isPoison: boolean;
  hasPayloadFault: boolean;
  /** The record is lost at first, and comes this much later. */
  lateMs: number;
  /** Nobody can publish it again: it is declared lost in time. With `lateMs` it comes all the same. */
  isLost?: boolean;
  /** The relay publishes the last records of the partition again after this one. */
  repeats: number;
  /** Another event under this one's sequences comes first or later: a restored outbox. */
  conflictId: string | null;
  /** It was committed this much earlier than it comes; unordered ones expire. */
  ageMs?: number;
  /** JSON text; else `payloadOf` its id. */
  payload?: string;
}

/** A record as the relay put it on the topic, and when. */
export interface Arrival {
  at: number;
  partition: number;
  record: Pick<ProducedRecord, 'key' | 'value' | 'headers'>;
}

export type Action = { at: number } & (
  | { kind: 'crash'; consumer: number; restartMs: number }
  | { kind: 'pause'; consumer: number; forMs: number }
  | { kind: 'shutdown'; consumer: number; restartMs: number }
  | { kind: 'rebalance'; shift: number }
  | { kind: 'store_fails'; forMs: number; share: number }
  | { kind: 'store_hangs'; forMs: number }
  | { kind: 'log_fails'; forMs: number }
  | { kind: 'steal_leases' }
  | { kind: 'endpoint_paused'; endpoint: number; forMs: number }
  | { kind: 'endpoint_deleted'; endpoint: number }
  | { kind: 'command'; command: 'retry' | 'skip'; pick: number; isStale: boolean }
  | { kind: 'garbage'; partition: number }
);

export interface Scenario {
  seed: number;
  partitions: number;
  consumers: number;
  endpoints: EndpointPlan[];
  events: EventPlan[];
  /** What is on the topic, where a simulated relay put it there; else `events` say it. */
  arrivals?: readonly Arrival[];
  actions: Action[];
  /** From then on everything works, and an operator tends what is halted. */
  healAt: number;
  options: {
    maxLanes: number;
    maxQueuedPerLane: number;
    maxBufferedRecords: number;
    maxWaitMs: number;
    pageSize: number;
    maxInFlight: number;
    circuitBreaker: boolean;
    ticketLoss: number;
    ticketDouble: number;
    storeLatencyMs: number;
    netLatencyMs: number;
  };
}

const ordered = ['ONBOARDING_STARTED', 'UNLISTED_TYPE'];
const unorderedTypes = catalogue.filter(({ ordering }) => ordering === 'none').map(({ type }) => type);

/** Bytes that no parser and printer would give back: spacing, key order, a number beyond 2^53, an escape that needs none. */
export const payloadOf = (eventId: string): string =>
  `{ "b":1.0,"a" : "${eventId}", "big":12345678901234567890,"\\u0061":"\\/" }`;

export const uuid = (kind: string, number: number): string =>
  `${kind.repeat(8)}-0000-7000-8000-${String(number).padStart(12, '0')}`;

/** `isCalm`: receivers may fail, but no process, database or log does: then not one duplicate is allowed. */
export function scenarioOf(seed: number): Scenario & { isCalm: boolean } {
  const dice = new Dice(seededRandom(seed));
  const isCalm = dice.chance(0.2);
  const partitions = dice.between(1, 3);
  const consumers = isCalm ? 1 : dice.between(1, 3);
  const healAt = dice.between(5_000, 20_000);
  const endpoints = Array.from({ length: dice.between(1, 4) }, (_, index) => endpointOf(dice, index, healAt));
  const events = eventsOf(dice, endpoints, partitions, healAt);
  const actions = actionsOf(dice, { consumers, endpoints, partitions, healAt, isCalm });
  return {
    seed,
    isCalm,
    partitions,
    consumers,
    endpoints,
    events,
    actions,
    healAt,
    options: {
      maxLanes: dice.pick([1, 3, 1_000]),
      maxQueuedPerLane: dice.pick([1, 3, 100]),
      maxBufferedRecords: dice.pick([10, 2_000]),
      maxWaitMs: dice.pick([100, 1_000]),
      pageSize: dice.pick([1, 2, 20]),
      maxInFlight: dice.pick([1, 4, 512]),
      circuitBreaker: dice.chance(0.7),
      ticketLoss: dice.pick([0, 0.3, 1]),
      ticketDouble: dice.pick([0, 0.3]),
      storeLatencyMs: dice.pick([0, 5, 40]),
      netLatencyMs: dice.pick([0, 10, 100]),
    },
  };
}

function endpointOf(dice: Dice, index: number, healAt: number): EndpointPlan {
  const windows = Array.from({ length: dice.between(0, 3) }, () => {
    const from = dice.between(0, healAt);
    const behaviour = dice.pick<Behaviour>([
      ...(['slow', 'error', 'error', 'error', 'hang', 'answer_lost', 'retry_after', 'blocked', 'refused'] as const),
      ...(dice.chance(0.2) ? (['gone'] as const) : []),
    ]);
    return { from, to: Math.min(healAt, from + dice.between(200, 8_000)), behaviour, share: dice.pick([0.2, 0.7, 1]) };
  });
  return {
    id: uuid('e', index),
    exists: dice.chance(0.97),
    maxConcurrency: dice.pick([1, 2, 32]),
    maxRetries: dice.pick([0, 2, 4]),
    onExhausted: dice.chance(0.2) ? 'skip' : 'block',
    windows,
  };
}

function eventsOf(dice: Dice, endpoints: EndpointPlan[], partitions: number, healAt: number): EventPlan[] {
  const streams = dice.pick([1, 3, 12]);
  const sequences = new Map<string, number>();
  let at = 0;
  return Array.from({ length: dice.between(10, 70) }, (_, index) => {
    at = Math.min(healAt, at + (dice.chance(0.1) ? dice.between(0, healAt / 5) : dice.between(0, 100)));
    const stream = `stream-${dice.between(1, streams)}`;
    const isUnordered = dice.chance(0.15);
    const chosen = endpoints.filter(() => dice.chance(0.7));
    const targets = (chosen.length > 0 ? chosen : [dice.pick(endpoints)]).map(({ id }) => {
      if (isUnordered) return { endpoint: id, sequence: null };
      const sequence = (sequences.get(`${id} ${stream}`) ?? 0) + 1;
      sequences.set(`${id} ${stream}`, sequence);
      return { endpoint: id, sequence };
    });
    return {
      id: uuid('a', index),
      stream,
      partition: Number(stream.slice('stream-'.length)) % partitions,
      at,
      type: isUnordered ? dice.pick(unorderedTypes) : dice.pick(ordered),
      targets,
      isPoison: dice.chance(0.03),
      hasPayloadFault: dice.chance(0.02),
      lateMs: dice.chance(0.05) ? dice.between(10, healAt) : 0,
      repeats: dice.chance(0.1) ? dice.between(1, 10) : 0,
      conflictId: !isUnordered && dice.chance(0.01) ? uuid('c', index) : null,
    };
  });
}

function actionsOf(
  dice: Dice,
  plan: Pick<Scenario, 'consumers' | 'endpoints' | 'partitions' | 'healAt'> & { isCalm: boolean },
): Action[] {
  const consumer = () => dice.between(0, plan.consumers - 1);
  const endpoint = () => dice.between(0, plan.endpoints.length - 1);
  const mild: (() => Action)[] = [
    () => ({ at: 0, kind: 'endpoint_paused', endpoint: endpoint(), forMs: dice.between(100, 5_000) }),
    () => ({ at: 0, kind: 'endpoint_deleted', endpoint: endpoint() }),
    () => ({
      at: 0,
      kind: 'command',
      command: dice.pick(['retry', 'skip']),
      pick: dice.random(),
      isStale: dice.chance(0.3),
    }),
    () => ({ at: 0, kind: 'garbage', partition: dice.between(0, plan.partitions - 1) }),
  ];
  const wild: (() => Action)[] = [
    () => ({ at: 0, kind: 'crash', consumer: consumer(), restartMs: dice.between(0, 4_000) }),
    () => ({ at: 0, kind: 'pause', consumer: consumer(), forMs: dice.pick([300, 2_000, 9_000]) }),
    () => ({ at: 0, kind: 'shutdown', consumer: consumer(), restartMs: dice.between(0, 1_000) }),
    () => ({ at: 0, kind: 'rebalance', shift: dice.between(0, 3) }),
    () => ({ at: 0, kind: 'store_fails', forMs: dice.between(50, 3_000), share: dice.pick([0.2, 0.6, 1]) }),
    () => ({ at: 0, kind: 'store_hangs', forMs: dice.pick([200, 1_500, 6_000]) }),
    () => ({ at: 0, kind: 'log_fails', forMs: dice.between(50, 3_000) }),
    () => ({ at: 0, kind: 'steal_leases' }),
  ];
  const count = dice.between(0, 8);
  return Array.from({ length: count }, () => {
    const make = dice.pick(plan.isCalm ? mild : [...mild, ...wild, ...wild]);
    return { ...make(), at: dice.between(0, plan.healAt) };
  }).toSorted((a, b) => a.at - b.at);
}
