// The card family: what an issuer reports about card holders, cards and transactions.
import { describedBy, type EventType } from './event-type.ts';
import threeDSecure from './catalogue/card-3ds.schema.json' with { type: 'json' };
import activated from './catalogue/card-activate-result.schema.json' with { type: 'json' };
import applied from './catalogue/card-apply-result.schema.json' with { type: 'json' };
import assigned from './catalogue/card-assign-result.schema.json' with { type: 'json' };
import closed from './catalogue/card-close-result.schema.json' with { type: 'json' };
import corrected from './catalogue/card-correction.schema.json' with { type: 'json' };
import recharged from './catalogue/card-recharge-result.schema.json' with { type: 'json' };
import statusChanged from './catalogue/card-status-change.schema.json' with { type: 'json' };
import verification from './catalogue/card-verification.schema.json' with { type: 'json' };
import transaction from './catalogue/transaction-created.schema.json' with { type: 'json' };
import userCreated from './catalogue/user-create-result.schema.json' with { type: 'json' };

const ofUser = { family: 'card', ordering: 'stream', expiresAfterMs: null, streamKey: ['user_id'] } as const;
const ofCard = { ...ofUser, streamKey: ['card_id'] } as const;
const ofCardElseUser = { ...ofUser, streamKey: ['card_id', 'user_id'] } as const;
// A person has to act within minutes: waiting behind another event, or coming late, makes them useless.
const actNow = { ...ofCard, ordering: 'none', expiresAfterMs: 600_000 } as const;

const user_id = 'user-10482';
const card_id = 'card-77310';
const template_id = 'template-3';
const occur_time = 1_767_323_045_123;
const transaction_id = 'txn-5501923';

export const cardEvents: readonly EventType[] = [
  { ...describedBy(userCreated), ...ofUser, sample: { user_id, status: 'REJECTED', message: 'document expired' } },
  {
    ...describedBy(applied),
    ...ofCardElseUser,
    sample: { template_id, user_id, card_id, status: 'SUCCESS', occur_time },
  },
  {
    ...describedBy(activated),
    ...ofCard,
    sample: { card_id, card_number: '545454******1234', status: 'SUCCESS', occur_time },
  },
  { ...describedBy(assigned), ...ofCardElseUser, sample: { user_id, card_id, status: 'SUCCESS', occur_time } },
  {
    ...describedBy(statusChanged),
    ...ofCard,
    sample: { card_id, status: 'SUCCESS', card_status: 'LOCKED', occur_time },
  },
  {
    ...describedBy(recharged),
    ...ofCard,
    sample: {
      template_id,
      user_id,
      card_id,
      transaction_id,
      receive_amount: '100.00',
      currency: 'EUR',
      status: 'SUCCESS',
      description: 'monthly top-up',
      occur_time,
    },
  },
  {
    ...describedBy(closed),
    ...ofCard,
    sample: { card_id, transaction_id, refund_amount: '12.34', status: 'SUCCESS', occur_time },
  },
  {
    ...describedBy(transaction),
    ...ofCard,
    sample: {
      card_id,
      transaction_id,
      amount: '25.90',
      currency: 'EUR',
      status: 'AUTHORIZED',
      merchant_name: 'Sample Books',
      occur_time,
    },
  },
  {
    ...describedBy(corrected),
    ...ofCard,
    sample: { card_id, transaction_id, amount: '-5.00', currency: 'EUR', description: 'partial refund', occur_time },
  },
  {
    ...describedBy(threeDSecure),
    ...actNow,
    sample: {
      card_id,
      transaction_id,
      amount: '25.90',
      currency: 'EUR',
      merchant_name: 'Sample Books',
      verification_code: '000000',
      url: 'https://acs.example.com/challenge?token=sample',
      occur_time,
    },
  },
  {
    ...describedBy(verification),
    ...actNow,
    sample: { card_id, verification_code: '000000', channel: 'SMS', occur_time },
  },
];
