// Checks the words for a payload that breaks its schema.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { catalogue, findEventType } from './catalogue.ts';
import { validatePayload } from './validate.ts';

const sampleOf = (type: string) => findEventType(type)!.sample;

test.each([
  [
    'ONBOARDING_REJECTED',
    { rejectReason: 'NO' },
    '/rejectReason must be one of KYC_DENIAL, KYB_DENIAL, CREDIT_SCORING_DENIAL, UNAUTHORIZED_SIGNATORY, INVALID_DOCUMENTS',
  ],
  ['ONBOARDING_FAILED', { eventType: 'ONBOARDING_REJECTED' }, '/eventType must be ONBOARDING_FAILED'],
  ['ONBOARDING_COMPLETED', { engagementId: '17' }, '/engagementId must match format "uuid"'],
  ['SIGNING_SESSION_CREATED', { signingUrl: 'http://sign.example.com/' }, '/signingUrl must match pattern "^https://"'],
  ['SIGNING_SESSION_CREATED', { signingUrl: 'https://a b' }, '/signingUrl must match format "uri"'],
  ['CARD_STATUS_CHANGE', { card_status: 'locked' }, '/card_status must be one of LOCKED, ACTIVE'],
  ['CARD_STATUS_CHANGE', { occur_time: '2026-01-01' }, '/occur_time must be integer'],
  ['CARD_CLOSE_RESULT', { refund_amount: null }, '/refund_amount must be string,number'],
  ['CARD_CLOSE_RESULT', { card_id: '' }, '/card_id must NOT have fewer than 1 characters'],
])('%s with %j: %s', (type, change, fault) => {
  expect(validatePayload(type, { ...sampleOf(type), ...change })).toEqual([fault]);
});

test('names every fault at once', () => {
  expect(validatePayload('CARD_STATUS_CHANGE', {})).toHaveLength(4);
});

test.each([null, [], 'text', 1])('a payload that is %j is no object', (payload) => {
  expect(validatePayload('CARD_3DS', payload)).toEqual(['the payload must be object']);
});

test('types outside the catalogue are not checked', () => {
  expect(validatePayload('LOAN_PAID', 'anything')).toEqual([]);
  expect(validatePayload('__proto__', {})).toEqual([]);
});

test('amounts may be strings or numbers', () => {
  for (const amount of ['1.10', 1.1, -3]) {
    expect(validatePayload('TRANSACTION_CREATED', { ...sampleOf('TRANSACTION_CREATED'), amount })).toEqual([]);
  }
});

test('no fault ever holds a value of the payload', () => {
  const secret = fc.constantFrom('hunter2-7f3a', 987654321.5, ['hunter2-7f3a'], { 'hunter2-7f3a': 'hunter2-7f3a' });
  const arbitrary = fc.constantFrom(...catalogue).chain(({ type, schema }) => {
    const fields = Object.keys(schema.properties as object);
    return fc.tuple(fc.constant(type), fc.dictionary(fc.constantFrom(...fields), secret));
  });
  fc.assert(
    fc.property(arbitrary, ([type, payload]) => {
      expect(validatePayload(type, payload).join()).not.toMatch(/hunter2|987654321/);
    }),
  );
});
