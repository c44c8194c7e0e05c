// Checks that our produce requests are, byte for byte, those of kafkajs.
import fc from 'fast-check';
import { createRequire } from 'node:module';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { crc32c } from './crc32c.ts';
import { type EncodeRequest, fasterEncoder } from './faster-produce.ts';

const require = createRequire(import.meta.url);
const original = require('kafkajs/src/protocol/requests/produce/v7/request.js') as EncodeRequest;

const text = fc.string({ unit: 'grapheme', maxLength: 90 });
const bytes = fc.uint8Array({ maxLength: 300 }).map((data) => Buffer.from(data));
const message = fc.record({
  key: fc.oneof(text, bytes, fc.constant(null)),
  value: fc.oneof(bytes, fc.constant(null)),
  headers: fc.dictionary(text, fc.oneof(text, bytes), { maxKeys: 12, noNullPrototype: true }),
});
const topic = fc.record({
  topic: fc.stringMatching(/^[a-z.-]{1,20}$/),
  partitions: fc.array(
    fc.record({
      partition: fc.nat(),
      firstSequence: fc.constant(0),
      messages: fc.array(message, { minLength: 1, maxLength: 70 }),
    }),
    { maxLength: 3 },
  ),
});
const request = fc.record({
  acks: fc.constant(-1),
  timeout: fc.nat(),
  topicData: fc.array(topic, { maxLength: 2 }),
  producerId: fc.constant(-1),
  producerEpoch: fc.constant(0),
});

describe('fasterEncoder', () => {
  beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2026, 0, 2) }));
  afterEach(() => void vi.useRealTimers());

  it('writes the bytes that kafkajs writes', async () => {
    await fc.assert(
      fc.asyncProperty(request, async (input) => {
        const [ours, theirs] = await Promise.all([fasterEncoder(original)(input).encode(), original(input).encode()]);
        expect(ours.buffer.equals(theirs.buffer)).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('leaves idempotent and compressed requests to kafkajs', () => {
    const given: EncodeRequest = () => ({}) as ReturnType<EncodeRequest>;
    for (const extra of [{ producerId: 7 }, { compression: 1 }, { transactionalId: 'x' }]) {
      expect(fasterEncoder(given)({ acks: -1, timeout: 0, topicData: [], ...extra })).toEqual({});
    }
  });
});

describe('crc32c', () => {
  it('gives the values of RFC 3720, appendix B.4', () => {
    expect(crc32c(new Uint8Array(32), 0, 32)).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff), 0, 32)).toBe(0x62a8ab43);
    expect(
      crc32c(
        Uint8Array.from({ length: 32 }, (_, i) => i),
        0,
        32,
      ),
    ).toBe(0x46dd794e);
    expect(crc32c(Buffer.from('123456789'), 0, 9)).toBe(0xe3069283);
  });
});
