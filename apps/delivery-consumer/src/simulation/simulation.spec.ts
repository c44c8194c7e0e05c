// Plays random runs of the real dispatcher against simulated receivers, databases, logs and crashes, and judges each.
import { Violation } from '#clock';
import { describe, expect, it } from 'vitest';
import { type Scenario, scenarioOf } from './scenario.ts';
import { report, shrink } from './shrink.ts';
import { simulate } from './world.ts';

/** More of them, or another part: `SIMULATION_SEEDS=5000 SIMULATION_FIRST=1 npx vitest run --project unit simulation`. */
const SEEDS = Number(process.env.SIMULATION_SEEDS ?? 300);
const FIRST = Number(process.env.SIMULATION_FIRST ?? 1);

/** Seeds that found a defect once, and what it was. */
const REGRESSIONS: [seed: number, what: string][] = [
  [3, 'the event after a skipped one was sent before the skip was on record'],
  [18, 'a lane that was parked while its endpoint was held had no due time: no sweeper found it'],
  [20, 'a process that was stopping took partitions, and so never ended'],
  [21, 'records read before the next join hid those before them: committed, but nowhere'],
  [38, 'a lane of a lost partition went on under the next epoch, beside its successor'],
  [104, 'a lane lost its queue in the moment between the end of a request and its outcome'],
  [109, 'an offset commit of a generation that was over was never made again'],
  [385, 'a page that was read before the head’s failure was written repeated its attempt number'],
  [8, 'a lane re-opened by a page that was read before its park write: an event was forgotten'],
  [1000, 'a lane whose page could not be read was woken before its next attempt was due'],
  [5109, 'a slot that a stalled lane gave back was given to nobody'],
  [6342, 'an operator’s skip replaced a page in memory: its buffer space was lost'],
  [7786, 'the event after an operator’s skip was sent before the skip was on record'],
  [2293, 'another event under a sequence whose success was not on record yet was taken for a repeat'],
  [3189, 'an operator command went on for a partition that was lost while its head was read'],
];

async function judge(scenario: Scenario): Promise<void> {
  const { violation } = await simulate(scenario);
  if (violation) throw new Violation(report(await shrink(scenario)));
}

describe('the dispatcher under faults', () => {
  it.each(REGRESSIONS)('seed %i: never again: %s', (seed) => judge(scenarioOf(seed)));

  it(`keeps every promise in ${SEEDS} random runs`, { timeout: SEEDS * 1_000 }, async () => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) await judge(scenarioOf(seed));
  });

  it('ends in the same way when the same run is played again', async () => {
    const [first, second] = [await simulate(scenarioOf(7)), await simulate(scenarioOf(7))];
    expect(second.trace).toEqual(first.trace);
  });
});
