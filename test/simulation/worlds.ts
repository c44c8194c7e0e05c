// The simulated worlds by name: what a seed is played in, and how a failing one is told.
import type { Violation } from '#clock';
import { crowdScenarioOf } from '../../apps/delivery-consumer/src/simulation/crowd.ts';
import { scenarioOf } from '../../apps/delivery-consumer/src/simulation/scenario.ts';
import { report, shrink } from '../../apps/delivery-consumer/src/simulation/shrink.ts';
import { simulate } from '../../apps/delivery-consumer/src/simulation/world.ts';
import { relayScenarioOf } from '../../apps/outbox-relay/src/simulation/scenario.ts';
import { reportRelays, shrinkRelays } from '../../apps/outbox-relay/src/simulation/shrink.ts';
import { simulateRelays } from '../../apps/outbox-relay/src/simulation/world.ts';
import { reportWhole, simulateWhole } from './whole.ts';

export interface SimulatedWorld {
  play(seed: number): Promise<{ violation: Violation | null }>;
  /** The failing seed made as small as it can be, with its trace. */
  explain(seed: number): Promise<string>;
}

export const worlds = {
  /** A few consumers and endpoints, everything goes wrong now and then. */
  everyday: {
    play: (seed) => simulate(scenarioOf(seed)),
    explain: async (seed) => report(await shrink(scenarioOf(seed))),
  },
  /** Many lanes of one endpoint that is down. */
  crowd: {
    play: (seed) => simulate(crowdScenarioOf(seed)),
    explain: async (seed) => report(await shrink(crowdScenarioOf(seed))),
  },
  /** Transactions and relays, up to the topic. */
  relays: {
    play: (seed) => simulateRelays(relayScenarioOf(seed)),
    explain: async (seed) => reportRelays(await shrinkRelays(relayScenarioOf(seed))),
  },
  /** From the transaction to the receiver. */
  whole: { play: simulateWhole, explain: reportWhole },
} satisfies Record<string, SimulatedWorld>;

export type WorldName = keyof typeof worlds;
