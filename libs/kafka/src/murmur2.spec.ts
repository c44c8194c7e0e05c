// Checks the partitioner against the vectors of the Java client and against kafkajs's own port of it.
import fc from 'fast-check';
import kafkajs from 'kafkajs';
import { describe, expect, it } from 'vitest';
import { murmur2, partitionFor } from './murmur2.ts';

describe('murmur2', () => {
  it('gives the values of the Java client', () => {
    // org.apache.kafka.common.utils.UtilsTest#testMurmur2
    const vectors: [string, number][] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ];
    for (const [key, hash] of vectors) expect(murmur2(key)).toBe(hash);
    expect(murmur2(Buffer.from('abc'))).toBe(479470107);
  });

  it('hashes a string as its UTF-8 bytes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (key) => {
        expect(murmur2(key)).toBe(murmur2(Buffer.from(key)));
      }),
    );
  });
});

describe('partitionFor', () => {
  const kafkajsPartitioner = kafkajs.Partitioners.DefaultPartitioner();

  function partitionOfKafkajs(key: string | Buffer, count: number): number {
    const partitionMetadata = Array.from({ length: count }, (_, partitionId) => ({
      partitionId,
      partitionErrorCode: 0,
      leader: 0,
      replicas: [],
      isr: [],
    }));
    return kafkajsPartitioner({ topic: 'any', partitionMetadata, message: { key, value: null } });
  }

  it('agrees with the default partitioner of kafkajs for any key and partition count', () => {
    const keys = fc.oneof(
      fc.string({ unit: 'grapheme', minLength: 1, maxLength: 80 }),
      fc.uint8Array({ minLength: 1, maxLength: 80 }).map((bytes) => Buffer.from(bytes)),
    );
    fc.assert(
      fc.property(keys, fc.integer({ min: 1, max: 100 }), (key, count) => {
        expect(partitionFor(key, count)).toBe(partitionOfKafkajs(key, count));
      }),
    );
  });

  it('spreads stream ids evenly', () => {
    const counts = Array.from({ length: 12 }, () => 0);
    for (let i = 0; i < 12_000; i++) counts[partitionFor(`onb-${i}`, 12)]!++;
    expect(Math.min(...counts)).toBeGreaterThan(850);
    expect(Math.max(...counts)).toBeLessThan(1150);
  });
});
