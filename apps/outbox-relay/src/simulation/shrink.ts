// Makes a failing run of relays smaller for as long as it fails in the same way, and tells what is left of it.
import type { RelayScenario } from './scenario.ts';
import { type RelayOutcome, simulateRelays } from './world.ts';

export interface Shrunk {
  scenario: RelayScenario;
  outcome: RelayOutcome;
}

const LINES = 120;

/** The smallest scenario found whose violation is of the same kind. */
export async function shrinkRelays(scenario: RelayScenario): Promise<Shrunk> {
  let best: Shrunk = { scenario, outcome: await simulateRelays(scenario) };
  const kind = kindOf(best.outcome);
  const tryOut = async (candidate: RelayScenario): Promise<boolean> => {
    const outcome = await simulateRelays(candidate);
    if (kindOf(outcome) !== kind) return false;
    best = { scenario: candidate, outcome };
    return true;
  };
  for (let isSmaller = kind !== null; isSmaller;) {
    isSmaller = false;
    for (const list of ['actions', 'transactions'] as const) {
      for (let index = best.scenario[list].length - 1; index >= 0; index--) {
        const shorter = { ...best.scenario, [list]: best.scenario[list].toSpliced(index, 1) };
        isSmaller = (await tryOut(shorter)) || isSmaller;
      }
    }
    for (const simpler of [{ storeLatencyMs: 0 }, { produceLatencyMs: 0 }, { relays: 1 }, { shards: 1 }]) {
      const [[name, value]] = Object.entries(simpler) as [[keyof RelayScenario, number]];
      if (best.scenario[name] !== value) isSmaller = (await tryOut({ ...best.scenario, ...simpler })) || isSmaller;
    }
  }
  return best;
}

function kindOf({ violation }: RelayOutcome): string | null {
  return violation && violation.message.split(':')[0]!;
}

export function reportRelays({ scenario, outcome: { violation, trace } }: Shrunk): string {
  const { transactions, ...rest } = scenario;
  return [
    `seed ${scenario.seed}: ${violation?.message}`,
    `scenario: ${JSON.stringify(rest)}, ${transactions.length} transactions:`,
    ...transactions.map(
      ({ events, ...plan }) => `  ${JSON.stringify(plan)} ${events.map(({ eventId }) => eventId).join(' ')}`,
    ),
    ...trace.slice(-LINES),
  ].join('\n');
}
