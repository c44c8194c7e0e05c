// Makes a failing scenario smaller for as long as it fails in the same way, and tells what is left of it.
import type { Scenario } from './scenario.ts';
import { type Outcome, simulate } from './world.ts';

const MOST_RUNS = 400;
const LINES = 120;

/** The smallest scenario found whose violation begins with the same words. */
export async function shrink(scenario: Scenario): Promise<{ scenario: Scenario; outcome: Outcome }> {
  let best = { scenario, outcome: await simulate(scenario) };
  const kind = kindOf(best.outcome);
  let runs = 0;
  const tryOut = async (candidate: Scenario): Promise<boolean> => {
    if (runs++ >= MOST_RUNS) return false;
    const outcome = await simulate(candidate);
    if (outcome.violation === null || kindOf(outcome) !== kind) return false;
    best = { scenario: candidate, outcome };
    return true;
  };
  for (let isSmaller = kind !== null; isSmaller;) {
    isSmaller = false;
    for (const list of ['actions', 'events'] as const) {
      for (let size = Math.ceil(best.scenario[list].length / 2); size >= 1; size = Math.floor(size / 2)) {
        for (let from = best.scenario[list].length - size; from >= 0; from -= size) {
          isSmaller = (await tryOut(without(best.scenario, list, from, size))) || isSmaller;
        }
      }
    }
    for (const simpler of simplerOptions(best.scenario)) isSmaller = (await tryOut(simpler)) || isSmaller;
  }
  return best;
}

function kindOf({ violation }: Outcome): string | null {
  return violation && violation.message.replaceAll(/[\da-f]{8}-[\da-f-]+|\d+/g, '#').slice(0, 40);
}

/** Without some actions, or without the last events: those before them keep their sequences. */
function without(scenario: Scenario, list: 'actions' | 'events', from: number, size: number): Scenario {
  if (list === 'actions') return { ...scenario, actions: scenario.actions.toSpliced(from, size) };
  return { ...scenario, events: renumbered(scenario.events.toSpliced(from, size)) };
}

function renumbered(events: Scenario['events']): Scenario['events'] {
  const sequences = new Map<string, number>();
  return events.map((event) => ({
    ...event,
    targets: event.targets.map(({ endpoint, sequence }) => {
      if (sequence === null) return { endpoint, sequence };
      const key = `${endpoint} ${event.stream}`;
      sequences.set(key, (sequences.get(key) ?? 0) + 1);
      return { endpoint, sequence: sequences.get(key)! };
    }),
  }));
}

function simplerOptions(scenario: Scenario): Scenario[] {
  const { options, endpoints, events } = scenario;
  return [
    { ...scenario, options: { ...options, storeLatencyMs: 0 } },
    { ...scenario, options: { ...options, netLatencyMs: 0 } },
    { ...scenario, options: { ...options, circuitBreaker: false } },
    { ...scenario, options: { ...options, maxLanes: 1_000 } },
    { ...scenario, options: { ...options, maxQueuedPerLane: 100 } },
    { ...scenario, options: { ...options, ticketLoss: 1 } },
    {
      ...scenario,
      consumers: 1,
      actions: scenario.actions.filter((one) => !('consumer' in one) || one.consumer === 0),
    },
    { ...scenario, events: events.map((event) => ({ ...event, repeats: 0 })) },
    { ...scenario, events: events.map((event) => ({ ...event, lateMs: 0 })) },
    { ...scenario, endpoints: endpoints.map((one) => ({ ...one, windows: [] })) },
    ...endpoints.map((one) => ({
      ...scenario,
      endpoints: endpoints.map((other) => (other === one ? { ...one, windows: one.windows.slice(1) } : other)),
    })),
    ...endpoints.map((one) => ({
      ...scenario,
      events: renumbered(
        events
          .map((event) => ({ ...event, targets: event.targets.filter(({ endpoint }) => endpoint !== one.id) }))
          .filter(({ targets }) => targets.length > 0),
      ),
    })),
  ];
}

/** What somebody needs to read to understand the failure: the scenario, and the trace lines that concern it. */
export function report({ scenario, outcome }: { scenario: Scenario; outcome: Outcome }): string {
  const { violation, trace } = outcome;
  const about = violation?.about ?? [];
  const [stream, event] = [
    about.find((word) => word.startsWith('stream')),
    about.find((word) => word.startsWith('aaaa')),
  ];
  const concerns = (line: string) =>
    /FAULT|VIOLATION|joins|assigned|acquired|taken over|works from|runs again|ended|becomes|never learns/.test(line) ||
    (stream === undefined && event === undefined) ||
    (stream !== undefined && line.includes(stream)) ||
    (event !== undefined && line.includes(event));
  const { events, ...rest } = scenario;
  return [
    `seed ${scenario.seed}: ${violation?.message}`,
    `scenario: ${JSON.stringify(rest)}, ${events.length} events`,
    ...trace.filter(concerns).slice(-LINES),
  ]
    .join('\n')
    .replaceAll(/([a-e])\1{7}-0000-7000-8000-0*(\d+)/g, '$1$2');
}
