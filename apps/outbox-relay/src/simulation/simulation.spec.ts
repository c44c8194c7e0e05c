// Plays random runs of the real relay against simulated publishers, databases, topics and crashes, and judges each.
import { Violation } from '#clock';
import type { ProducedRecord } from '#kafka';
import { describe, expect, it } from 'vitest';
import { PublishedLog } from './published-log.ts';
import { relayScenarioOf } from './scenario.ts';
import { reportRelays, shrinkRelays } from './shrink.ts';
import { simulateRelays } from './world.ts';

const SEEDS = 300;

describe('the relay under faults', () => {
  it(`keeps every promise in ${SEEDS} random runs`, { timeout: SEEDS * 500 }, async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const scenario = relayScenarioOf(seed);
      const { violation } = await simulateRelays(scenario);
      if (violation) throw new Violation(reportRelays(await shrinkRelays(scenario)));
    }
  });

  it('ends in the same way when the same run is played again', async () => {
    const [first, second] = [await simulateRelays(relayScenarioOf(7)), await simulateRelays(relayScenarioOf(7))];
    expect(second.trace).toEqual(first.trace);
    expect(first.log.records.length).toBeGreaterThan(0);
  });
});

describe('the judge of the topic', () => {
  const committed = (sequence: number) => ({
    at: 0,
    eventId: `event-${sequence}`,
    streamId: 'stream-1',
    targets: [{ endpoint: 'endpoint-a', sequence }],
  });
  const record = (sequence: number, targets = `[["endpoint-a",${sequence}]]`): ProducedRecord => ({
    topic: 'events',
    partition: 0,
    key: 'stream-1',
    value: Buffer.from(''),
    headers: { ce_id: `event-${sequence}`, 'waybill-targets': targets },
  });
  const logOf = (...sequences: number[]): PublishedLog => {
    const log = new PublishedLog();
    for (const sequence of sequences) log.commit(committed(sequence));
    return log;
  };

  it('accepts a suffix that comes again', () => {
    const log = logOf(1, 2, 3);
    for (const sequence of [1, 2, 1, 2, 3]) log.append(0, record(sequence));
    expect(log.missing()).toBeUndefined();
    expect(log.repeated).toBe('event-1');
  });

  it('objects to what was not committed', () => {
    expect(() => logOf(1).append(0, record(2))).toThrow(/phantom/);
  });

  it('objects to other targets', () => {
    expect(() => logOf(1).append(0, record(1, '[["endpoint-b",1]]'))).toThrow(/identity/);
  });

  it('objects to a sequence before the one below it', () => {
    expect(() => logOf(1, 2).append(0, record(2))).toThrow(/order/);
  });

  it('misses what never came, and knows how long the slowest took', () => {
    const log = logOf(1, 2);
    log.append(30, record(1));
    expect(log.missing()?.eventId).toBe('event-2');
    log.append(50, record(2));
    expect(log.longestWaitMs).toBe(50);
  });
});
