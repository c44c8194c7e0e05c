// Checks how a batch is cut where Kafka's size limit per partition would refuse it.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ProducedRecord } from './port.ts';
import { recordBytes, splitIntoRounds } from './rounds.ts';

const record: fc.Arbitrary<ProducedRecord> = fc.record({
  topic: fc.constantFrom('events', 'retry'),
  partition: fc.nat({ max: 3 }),
  key: fc.constant('key'),
  value: fc.nat({ max: 400 }).map((size) => Buffer.alloc(size)),
  headers: fc.constant({ ce_id: 'e-1' }),
});
const MAX_BYTES = 1_000;

function perPartition(records: readonly ProducedRecord[]): Map<string, ProducedRecord[]> {
  return Map.groupBy(records, ({ topic, partition }) => `${topic}/${partition}`);
}

describe('splitIntoRounds', () => {
  it('keeps every record and the order in each partition', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), (records) => {
        const sent = splitIntoRounds(records, MAX_BYTES).flat();
        expect(Object.fromEntries(perPartition(sent))).toEqual(Object.fromEntries(perPartition(records)));
      }),
    );
  });

  it('lets no partition exceed the limit in a round, but for a single larger record', () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 60 }), (records) => {
        for (const round of splitIntoRounds(records, MAX_BYTES)) {
          for (const batch of perPartition(round).values()) {
            const bytes = batch.reduce((sum, one) => sum + recordBytes(one), 0);
            expect(batch.length === 1 || bytes <= MAX_BYTES).toBe(true);
          }
        }
      }),
    );
  });

  it('hands a small batch on as it is', () => {
    const records = [{ topic: 'events', partition: 0, key: null, value: null, headers: {} }];
    expect(splitIntoRounds(records, MAX_BYTES)).toEqual([records]);
    expect(splitIntoRounds([], MAX_BYTES)).toEqual([]);
  });
});
