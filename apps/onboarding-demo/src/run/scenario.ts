// What happens in the demo's world: six people apply, two of them get cards, and part of one receiver is down for a while.
import type { DomainService } from './clients.ts';
import type { Published } from './verdict.ts';

export interface Stage {
  service: DomainService;
  tenantId: string;
  /** Waits between two steps, so that a person can follow. */
  pause(): Promise<void>;
  /** A stream begins; `failsAt` names the subscription whose receiver will refuse it for a while. */
  onStream(streamId: string, name: string, failsAt: string | null): void;
  onPublished(event: Published): void;
}

const ONBOARDING = { approve: 'SIGNING_SESSION_CREATED', sign: 'SIGNING_SESSION_COMPLETED' };
const APPLICATION_EVENTS = { ...ONBOARDING, complete: 'ONBOARDING_COMPLETED', reject: 'ONBOARDING_REJECTED' };
const CARD_EVENTS = {
  apply: 'CARD_APPLY_RESULT',
  activate: 'CARD_ACTIVATE_RESULT',
  pay: 'TRANSACTION_CREATED',
  challenge: 'CARD_3DS',
  lock: 'CARD_STATUS_CHANGE',
};

/** Who asks for what: the bank for onboardings, the issuer for cards, the partner for everything. */
export const SUBSCRIPTIONS = [
  { name: 'bank', format: 'signed-json', eventTypes: Object.values(APPLICATION_EVENTS) },
  { name: 'issuer', format: 'encrypted-envelope', eventTypes: Object.values(CARD_EVENTS) },
  { name: 'partner', format: 'standard-webhooks', eventTypes: null },
] as const;

interface Person {
  name: string;
  steps: readonly (keyof typeof APPLICATION_EVENTS)[];
  failsAt: string | null;
}

const accepted = ['approve', 'sign', 'complete'] as const;
const people: readonly Person[] = [
  { name: 'Ada', steps: accepted, failsAt: null },
  { name: 'Ben', steps: accepted, failsAt: 'partner' },
  { name: 'Cleo', steps: accepted, failsAt: null },
  { name: 'Dan', steps: ['reject'], failsAt: null },
  { name: 'Eva', steps: accepted, failsAt: null },
  { name: 'Finn', steps: accepted, failsAt: null },
];

const cards: readonly { name: string; failsAt: string | null }[] = [
  { name: 'Ada’s card', failsAt: 'partner' },
  { name: 'Eva’s card', failsAt: null },
];
const cardSteps = ['apply', 'activate', 'pay', 'challenge', 'pay', 'pay', 'lock'] as const;

/** Plays all of it; returns when the last event is committed. */
export async function playScenario(stage: Stage): Promise<void> {
  const { service, tenantId } = stage;
  const applications = await Promise.all(
    people.map(async (person) => ({ person, id: await service.openApplication(tenantId, person.name) })),
  );
  for (const { person, id } of applications) stage.onStream(id, person.name, person.failsAt);
  for (let turn = 0; turn < accepted.length; turn++) {
    for (const { person, id } of applications) {
      const step = person.steps[turn];
      if (step) await take(stage, { things: 'applications', id, step, type: APPLICATION_EVENTS[step] });
    }
  }
  const ordered = await Promise.all(
    cards.map(async (card) => ({ card, id: await service.orderCard(tenantId, crypto.randomUUID()) })),
  );
  for (const { card, id } of ordered) stage.onStream(id, card.name, card.failsAt);
  for (const step of cardSteps) {
    for (const { id } of ordered) await take(stage, { things: 'cards', id, step, type: CARD_EVENTS[step] });
  }
}

async function take(
  stage: Stage,
  { things, id, step, type }: { things: 'applications' | 'cards'; id: string; step: string; type: string },
): Promise<void> {
  const eventId = await stage.service.takeStep(things, id, step);
  stage.onPublished({
    streamId: id,
    // Null only if no endpoint wanted it: then nothing arrives under this name, and the verdict says so.
    eventId: eventId ?? 'not enqueued',
    eventType: type,
    isOrdered: type !== 'CARD_3DS',
    subscriptions: SUBSCRIPTIONS.filter(({ eventTypes }) => eventTypes === null || eventTypes.includes(type)).map(
      ({ name }) => name,
    ),
  });
  await stage.pause();
}
