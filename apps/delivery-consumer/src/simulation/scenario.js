// What happens in one simulated run, drawn from a seed as plain data: so that a failing run can be made smaller.
import { seededRandom } from '#clock';
import { catalogue } from '#events';
const ordered = ['ONBOARDING_STARTED', 'UNLISTED_TYPE'];
const unorderedTypes = catalogue.filter(({ ordering }) => ordering === 'none').map(({ type }) => type);
export const uuid = (kind, number) => `${kind.repeat(8)}-0000-7000-8000-${String(number).padStart(12, '0')}`;
export class Dice {
  random;
  constructor(random) {
    this.random = random;
  }
  chance(share) {
    return this.random() < share;
  }
  /** A whole number from `least` to `most`. */
  between(least, most) {
    return least + Math.floor(this.random() * (most - least + 1));
  }
  pick(items) {
    return items[Math.floor(this.random() * items.length)];
  }
}
/** `isCalm`: receivers may fail, but no process, database or log does: then not one duplicate is allowed. */
export function scenarioOf(seed) {
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
function endpointOf(dice, index, healAt) {
  const windows = Array.from({ length: dice.between(0, 3) }, () => {
    const from = dice.between(0, healAt);
    const behaviour = dice.pick([
      ...['slow', 'error', 'error', 'error', 'hang', 'answer_lost', 'retry_after', 'blocked', 'refused'],
      ...(dice.chance(0.2) ? ['gone'] : []),
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
function eventsOf(dice, endpoints, partitions, healAt) {
  const streams = dice.pick([1, 3, 12]);
  const sequences = new Map();
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
function actionsOf(dice, plan) {
  const consumer = () => dice.between(0, plan.consumers - 1);
  const endpoint = () => dice.between(0, plan.endpoints.length - 1);
  const mild = [
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
  const wild = [
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
//# sourceMappingURL=scenario.js.map
