// Cards: issued, activated, used, locked; each step commits the row and its event together.
import { randomInt, randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import type { Clock } from '#clock';
import { type CatalogueEvent, publishEvent } from '#outbox';
import { type Card, CardEntity, type CardState } from './entities.ts';
import type { StepResult } from './step.ts';

export const CARD_STEPS = ['apply', 'activate', 'pay', 'challenge', 'lock'] as const;
export type CardStep = (typeof CARD_STEPS)[number];

const moves: Record<CardStep, { from: CardState; to: CardState }> = {
  apply: { from: 'ordered', to: 'applied' },
  activate: { from: 'applied', to: 'active' },
  pay: { from: 'active', to: 'active' },
  challenge: { from: 'active', to: 'active' },
  lock: { from: 'active', to: 'locked' },
};

export class Cards {
  readonly #source: DataSource;
  readonly #clock: Clock;

  constructor(source: DataSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** A card is ordered; nobody is told before the step `apply`. */
  async order(tenantId: string, userId: string): Promise<Card> {
    const card: Card = { id: randomUUID(), tenantId, userId, state: 'ordered', changedAt: new Date(this.#clock.now()) };
    await this.#source.manager.insert(CardEntity, card);
    return card;
  }

  async take(id: string, step: CardStep): Promise<StepResult<CardState>> {
    const { from, to } = moves[step];
    return this.#source.transaction(async (manager) => {
      const lock = { mode: 'pessimistic_write' } as const;
      const card = await manager.findOne(CardEntity, { where: { id }, lock });
      if (!card) return { kind: 'not_found' };
      if (card.state !== from) return { kind: 'not_now', state: card.state };
      const now = this.#clock.now();
      await manager.update(CardEntity, { id }, { state: to, changedAt: new Date(now) });
      const eventId = await publishEvent(manager, eventOf(card, step, now));
      return { kind: 'done', state: to, eventId };
    });
  }
}

function eventOf({ id, tenantId, userId }: Card, step: CardStep, now: number): CatalogueEvent {
  const common = { tenantId, streamId: id };
  const base = { card_id: id, occur_time: now };
  const status = 'SUCCESS';
  switch (step) {
    case 'apply': {
      const payload = { ...base, template_id: 'debit-standard', user_id: userId, status };
      return { ...common, type: 'CARD_APPLY_RESULT', payload };
    }
    case 'activate': {
      const payload = { ...base, card_number: `5300 **** **** ${randomInt(1_000, 10_000)}`, status };
      return { ...common, type: 'CARD_ACTIVATE_RESULT', payload };
    }
    case 'pay': {
      // A string: amounts are never numbers that a parser could round.
      const amount = `${randomInt(1, 200)}.${randomInt(10, 100)}`;
      const payload = { ...base, transaction_id: randomUUID(), amount, currency: 'EUR', status };
      return { ...common, type: 'TRANSACTION_CREATED', payload };
    }
    case 'challenge': {
      const verification_code = String(randomInt(100_000, 1_000_000));
      return { ...common, type: 'CARD_3DS', payload: { ...base, merchant_name: 'Bookshop', verification_code } };
    }
    case 'lock':
      return { ...common, type: 'CARD_STATUS_CHANGE', payload: { ...base, card_status: 'LOCKED', status } };
  }
}
