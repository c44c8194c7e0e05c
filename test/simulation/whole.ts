// The whole way of an event in one seed: transactions, relays, the topic, consumers, receivers.
import type { Violation } from '#clock';
import { catalogue } from '#events';
import {
  type EventPlan,
  type Scenario,
  payloadOf,
  scenarioOf,
} from '../../apps/delivery-consumer/src/simulation/scenario.ts';
import { report, shrink } from '../../apps/delivery-consumer/src/simulation/shrink.ts';
import { simulate } from '../../apps/delivery-consumer/src/simulation/world.ts';
import type { PublishedLog } from '../../apps/outbox-relay/src/simulation/published-log.ts';
import { type PlannedEvent, type RelayScenario, withRelays } from '../../apps/outbox-relay/src/simulation/scenario.ts';
import { reportRelays, shrinkRelays } from '../../apps/outbox-relay/src/simulation/shrink.ts';
import { simulateRelays } from '../../apps/outbox-relay/src/simulation/world.ts';

export interface WholeOutcome {
  violation: Violation | null;
  trace: string[];
}

/** Publication is over sooner than the rest: the topic is what the second half needs. */
const PUBLISHED_UNTIL_MS = 5_000;
const stricter = catalogue.find(({ ordering }) => ordering === 'stream')!;

/**
 * Nothing flows from the topic back to the relays, so the halves need not run at once: first publishers and relays, whose outcome is the
 * topic as it grew; then the consumers, which meet its records at the very instants at which they came.
 */
export async function simulateWhole(seed: number): Promise<WholeOutcome> {
  const plan = scenarioOf(seed);
  const published = await simulateRelays(relayHalf(plan));
  if (published.violation) return published;
  const delivered = await simulate(consumerHalf(plan, published.log));
  return { ...delivered, trace: [...published.trace, '-- the consumers --', ...delivered.trace] };
}

export function relayHalf(plan: Scenario): RelayScenario {
  const endpointsOf = (event: EventPlan) => event.targets.map(({ endpoint }) => endpoint);
  const scale = Math.min(1, PUBLISHED_UNTIL_MS / plan.healAt);
  const events = plan.events.map((event): PlannedEvent & { at: number } => ({
    at: event.at * scale,
    eventId: event.id,
    streamId: event.stream,
    type: event.hasPayloadFault ? stricter.type : event.type,
    isUnordered: event.targets[0]!.sequence === null,
    endpoints: endpointsOf(event),
    payload: payloadTextOf(event),
  }));
  return withRelays(plan.seed, events, { healAt: plan.healAt * scale, partitions: plan.partitions });
}

/** What was committed is what has to arrive, in the sequences that the transactions were given. */
export function consumerHalf(plan: Scenario, { committed, records }: PublishedLog): Scenario {
  const partitions = new Map(records.map(({ eventId, record }) => [eventId, record.partition]));
  const events = plan.events.flatMap((event): EventPlan[] => {
    const known = committed.get(event.id);
    if (!known) return [];
    const type = event.hasPayloadFault ? stricter.type : event.type;
    const partition = partitions.get(event.id)!;
    return [{ ...event, type, partition, targets: known.targets, conflictId: null, payload: payloadTextOf(event) }];
  });
  const arrivals = records.map(({ at, record }) => ({
    at,
    partition: record.partition,
    record: { key: record.key, value: record.value, headers: record.headers },
  }));
  return { ...plan, events, arrivals };
}

/** Types of the catalogue have schemas, and the relay checks them. */
function payloadTextOf(event: EventPlan): string {
  const known = catalogue.find(({ type }) => type === event.type);
  return known ? JSON.stringify(known.sample, null, 1) : payloadOf(event.id);
}

/** The half that fails, made smaller by itself. */
export async function reportWhole(seed: number): Promise<string> {
  const plan = scenarioOf(seed);
  const relays = await shrinkRelays(relayHalf(plan));
  if (relays.outcome.violation) return reportRelays(relays);
  return report(await shrink(consumerHalf(plan, relays.outcome.log)));
}
