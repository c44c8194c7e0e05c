// Built processes, a real PostgreSQL and three real brokers under load: one fault after another, then the whole history is judged.
// Row F3 (transactions that commit late, long ones, rollbacks) needs no process: apps/outbox-relay/src/windows.int.spec.ts.
// SIGTERM of all services at once (F5): test/e2e/exactness.e2e.spec.ts.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CheckName, checks, type Verdict } from '../checker/index.ts';
import { Campaign } from './campaign.ts';
import { findRepeats } from './repeats.ts';
import { serverCases } from './server-cases.ts';
import { serviceCases } from './service-cases.ts';

const SEED = 4711;
/** Events a second: some dozens of lanes have work all the time, on a machine that has other work too. */
const RATE = 40;

let campaign: Campaign;

beforeAll(async () => {
  campaign = await Campaign.start({ seed: SEED, rate: RATE });
}, 300_000);

afterAll(async () => {
  const history = await campaign?.end();
  if (history) console.log(`[faults] the history is in ${history}: npm run chaos -- --check ${history}`);
}, 120_000);

describe('events go on to flow on every partition', () => {
  it.each([...serviceCases, ...serverCases])('$row: $title', (fault) => campaign.happen(fault));
});

describe('the history of all these faults', () => {
  let verdict: Verdict;

  beforeAll(async () => {
    verdict = await campaign.judge();
  }, 300_000);

  // C11 compares latencies with those of a time without faults, and there is none here: that is for the long run.
  const judged = Object.entries(checks).flatMap(([name, { title }]) =>
    name === 'C11' ? [] : [[name as CheckName, title] as const],
  );
  it.each(judged)('passes %s, which looks for: %s', (name) => {
    expect(verdict.checks[name]).toMatchObject({ violations: [], verdict: 'pass' });
  });

  it('has no event that was sent again more often than there were faults since it was accepted', async () => {
    const { total, byFault, unexcused } = await findRepeats(campaign.world.folder);
    console.log(`[faults] ${JSON.stringify({ repeats: total, byFault })}`);
    expect(unexcused).toEqual([]);
  });
});
