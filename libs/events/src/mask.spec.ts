// Checks that what must not be seen is not seen, and that the rest stays useful.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { catalogue, findEventType } from './catalogue.ts';
import { MASK, maskPayload } from './mask.ts';

test('shows ids, states, amounts and times, and masks codes, names and URLs', () => {
  expect(maskPayload(findEventType('CARD_3DS')!.sample)).toEqual({
    card_id: 'card-77310',
    transaction_id: 'txn-5501923',
    amount: '25.90',
    currency: 'EUR',
    merchant_name: MASK,
    verification_code: MASK,
    url: MASK,
    occur_time: 1_767_323_045_123,
  });
});

test('masks the signing URL and the card number', () => {
  expect(maskPayload(findEventType('SIGNING_SESSION_CREATED')!.sample)).toMatchObject({ signingUrl: MASK });
  expect(maskPayload(findEventType('CARD_ACTIVATE_RESULT')!.sample)).toMatchObject({ card_number: MASK });
});

test('masks every field that nobody foresaw, whatever its kind, and keeps keys and lengths', () => {
  const payload = {
    holder: { name: 'Jo', born: 19700101, vip: true, none: null, status: 'OPEN' },
    notes: ['a', { b: 2 }],
  };
  expect(maskPayload(payload)).toEqual({
    holder: { name: MASK, born: MASK, vip: MASK, none: null, status: 'OPEN' },
    notes: [MASK, { b: MASK }],
  });
});

test('masks free text and structures in fields that are otherwise shown', () => {
  expect(maskPayload({ status: 'rejected: Jo Smith', card_id: ['Jo'], currency: { Jo: 'Smith' } })).toEqual({
    status: MASK,
    card_id: [MASK],
    currency: { Jo: MASK },
  });
});

test('masks a payload that is no object', () => {
  expect([maskPayload('Jo'), maskPayload(7), maskPayload(null)]).toEqual([MASK, MASK, null]);
});

test('masks what is nested too deep instead of failing', () => {
  const deep = JSON.parse(`${'['.repeat(50_000)}"Jo"${']'.repeat(50_000)}`) as unknown;
  expect(JSON.stringify(maskPayload(deep))).not.toContain('Jo');
});

test('leaves the payload itself alone, and no masked text in the copy', () => {
  const secret = fc.string({ minLength: 6 }).map((text) => `hunter2 ${text}`);
  fc.assert(
    fc.property(
      fc.constantFrom(...catalogue),
      fc.dictionary(fc.string(), fc.anything()),
      secret,
      (type, extra, text) => {
        const payload = { ...extra, ...type.sample, invented: text, description: text };
        const before = structuredClone(type.sample);
        const masked = maskPayload(payload) as Record<string, unknown>;
        expect([masked.invented, masked.description]).toEqual([MASK, MASK]);
        expect(type.sample).toEqual(before);
      },
    ),
    { numRuns: 50 },
  );
});
