// What happens in one simulated run of publishers and relays, drawn from a seed as plain data: so that a failing run can be made smaller.
import { Dice, seededRandom } from '#clock';

export interface PlannedEvent {
  eventId: string;
  streamId: string;
  type: string;
  isUnordered: boolean;
  endpoints: readonly string[];
  /** JSON text. */
  payload: string;
}

/** A transaction of a domain service, or of somebody else: then it has no events. */
export interface TransactionPlan {
  at: number;
  /** It writes something of its own before its first event: its id is older than its events. */
  drawsXidFirst: boolean;
  /** Published one after the other, in the order of their streams: two transactions can't wait for each other. */
  events: readonly PlannedEvent[];
  /** Virtual ms between its steps, and before its end. */
  stepMs: number;
  holdMs: number;
  /** `disconnect`: the service dies, the server notices and rolls back. */
  end: 'commit' | 'rollback' | 'disconnect';
}

export type RelayAction = { at: number } & (
  | { kind: 'crash'; relay: number; restartMs: number }
  | { kind: 'pause'; relay: number; forMs: number }
  | { kind: 'shutdown'; relay: number; restartMs: number }
  | { kind: 'database_restarts' }
  | { kind: 'database_moves' }
  | { kind: 'leases_expire' }
  | { kind: 'store_fails'; forMs: number; share: number }
  | { kind: 'store_hangs'; forMs: number }
  | { kind: 'log_fails'; forMs: number; share: number }
);

export interface RelayScenario {
  seed: number;
  shards: number;
  partitions: number;
  relays: number;
  transactions: readonly TransactionPlan[];
  actions: readonly RelayAction[];
  /** From then on everything works. */
  healAt: number;
  pageSize: number;
  storeLatencyMs: number;
  produceLatencyMs: number;
}

const ENDPOINTS = ['endpoint-a', 'endpoint-b'];

export function relayScenarioOf(seed: number): RelayScenario {
  const dice = new Dice(seededRandom(seed));
  const streams = dice.pick([1, 3, 8]);
  const healAt = dice.between(1_000, 4_000);
  const events = Array.from({ length: dice.between(5, 40) }, (_, index): PlannedEvent & { at: number } => ({
    at: dice.between(0, healAt),
    eventId: `event-${index}`,
    streamId: `stream-${dice.between(1, streams)}`,
    type: 'UNLISTED_TYPE',
    isUnordered: dice.chance(0.1),
    endpoints: dice.chance(0.5) ? ENDPOINTS : [dice.pick(ENDPOINTS)],
    payload: '{}',
  }));
  return withRelays(seed, events, { healAt, partitions: dice.between(1, 3) });
}

/** Publishers and relays for these events, whose `at` is when they are meant to be published. */
export function withRelays(
  seed: number,
  events: readonly (PlannedEvent & { at: number })[],
  { healAt, partitions }: { healAt: number; partitions: number },
): RelayScenario {
  const dice = new Dice(seededRandom(seed + 7));
  const isCalm = dice.chance(0.25);
  const relays = dice.between(1, 3);
  const transactions = [...transactionsOf(dice, events, healAt), ...othersTransactions(dice, healAt)];
  return {
    seed,
    shards: dice.between(1, 3),
    partitions,
    relays,
    transactions: transactions.toSorted((a, b) => a.at - b.at),
    actions: isCalm ? [] : actionsOf(dice, relays, healAt),
    healAt,
    pageSize: dice.pick([1, 2, 5, 500]),
    storeLatencyMs: dice.pick([0, 3, 20]),
    produceLatencyMs: dice.pick([0, 5, 30]),
  };
}

/** One to four events each. */
function transactionsOf(
  dice: Dice,
  events: readonly (PlannedEvent & { at: number })[],
  healAt: number,
): TransactionPlan[] {
  const transactions: TransactionPlan[] = [];
  const left = events.toSorted((a, b) => a.at - b.at);
  while (left.length > 0) {
    const own = left.splice(0, dice.pick([1, 1, 2, 4]));
    const isSlow = dice.chance(0.15);
    transactions.push({
      at: own[0]!.at,
      drawsXidFirst: dice.chance(0.3),
      events: own
        .map(({ at: _at, ...event }) => event)
        .toSorted((a, b) => (a.streamId < b.streamId ? -1 : Number(a.streamId > b.streamId))),
      stepMs: dice.between(0, isSlow ? healAt / 10 : 5),
      holdMs: dice.between(0, isSlow ? healAt / 2 : 10),
      end: dice.chance(0.85) ? 'commit' : dice.pick(['rollback', 'disconnect']),
    });
  }
  return transactions;
}

function othersTransactions(dice: Dice, healAt: number): TransactionPlan[] {
  return Array.from({ length: dice.between(0, 3) }, () => ({
    at: dice.between(0, healAt),
    drawsXidFirst: true,
    events: [],
    stepMs: 0,
    holdMs: dice.between(0, healAt),
    end: dice.pick(['commit', 'rollback']),
  }));
}

function actionsOf(dice: Dice, relays: number, healAt: number): RelayAction[] {
  const relay = () => dice.between(0, relays - 1);
  const kinds: (() => RelayAction)[] = [
    () => ({ at: 0, kind: 'crash', relay: relay(), restartMs: dice.between(0, 2_000) }),
    () => ({ at: 0, kind: 'crash', relay: relay(), restartMs: dice.between(0, 2_000) }),
    () => ({ at: 0, kind: 'pause', relay: relay(), forMs: dice.pick([100, 1_000, 3_000]) }),
    () => ({ at: 0, kind: 'shutdown', relay: relay(), restartMs: dice.between(0, 1_000) }),
    () => ({ at: 0, kind: 'database_restarts' }),
    () => ({ at: 0, kind: 'database_restarts' }),
    () => ({ at: 0, kind: dice.chance(0.3) ? 'database_moves' : 'database_restarts' }),
    () => ({ at: 0, kind: 'leases_expire' }),
    () => ({ at: 0, kind: 'store_fails', forMs: dice.between(50, 1_000), share: dice.pick([0.1, 0.5, 1]) }),
    () => ({ at: 0, kind: 'store_hangs', forMs: dice.pick([200, 2_000]) }),
    () => ({ at: 0, kind: 'log_fails', forMs: dice.between(50, 1_500), share: dice.pick([0.1, 0.5, 1]) }),
  ];
  return Array.from({ length: dice.between(1, 6) }, () => ({
    ...dice.pick(kinds)(),
    at: dice.between(0, healAt),
  })).toSorted((a, b) => a.at - b.at);
}
