// Checks which ids are found in a payload.
import { expect, test } from 'vitest';
import { searchKeys, streamIdOf } from './search-keys.ts';

const none = { userId: null, cardId: null, transactionId: null };

test.each([
  [
    'CARD_RECHARGE_RESULT',
    { user_id: 'u', card_id: 'c', transaction_id: 't' },
    { userId: 'u', cardId: 'c', transactionId: 't' },
  ],
  ['LOAN_PAID', { user_id: 12 }, { ...none, userId: '12' }],
  ['ONBOARDING_COMPLETED', { onboardingId: 'o' }, none],
  ['CARD_3DS', { card_id: '', user_id: 'x'.repeat(201), transaction_id: 2 ** 60 }, none],
  ['CARD_3DS', { card_id: { a: 1 } }, none],
  ['CARD_3DS', null, none],
  ['CARD_3DS', 'card_id', none],
])('%s %j', (type, payload, keys) => {
  expect(searchKeys(type, payload)).toEqual(keys);
});

test('a card event belongs to its card, or to its user where there is no card yet', () => {
  expect(streamIdOf('CARD_APPLY_RESULT', { user_id: 'u', card_id: 'c' })).toBe('c');
  expect(streamIdOf('CARD_APPLY_RESULT', { user_id: 'u', card_id: '' })).toBe('u');
  expect(streamIdOf('USER_CREATE_RESULT', { user_id: 'u', card_id: 'c' })).toBe('u');
  expect(streamIdOf('LOAN_PAID', { user_id: 'u' })).toBeNull();
});
