// Applications for an account: each step changes the row and publishes its event in one transaction.
import { randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import type { Clock } from '#clock';
import { type CatalogueEvent, publishEvent } from '#outbox';
import { type Application, ApplicationEntity, type ApplicationState } from './entities.ts';
import type { StepResult } from './step.ts';

export const APPLICATION_STEPS = ['approve', 'sign', 'complete', 'reject'] as const;
export type ApplicationStep = (typeof APPLICATION_STEPS)[number];

const moves: Record<ApplicationStep, { from: ApplicationState; to: ApplicationState }> = {
  approve: { from: 'open', to: 'approved' },
  sign: { from: 'approved', to: 'signed' },
  complete: { from: 'signed', to: 'completed' },
  reject: { from: 'open', to: 'rejected' },
};

export class Applications {
  readonly #source: DataSource;
  readonly #clock: Clock;

  constructor(source: DataSource, clock: Clock) {
    this.#source = source;
    this.#clock = clock;
  }

  /** An application comes in. Nobody is told yet: the catalogue has no event for that. */
  async open(tenantId: string, applicant: string): Promise<Application> {
    const changedAt = new Date(this.#clock.now());
    const application: Application = { id: randomUUID(), tenantId, applicant, state: 'open', changedAt };
    await this.#source.manager.insert(ApplicationEntity, application);
    return application;
  }

  async take(id: string, step: ApplicationStep): Promise<StepResult<ApplicationState>> {
    const { from, to } = moves[step];
    return this.#source.transaction(async (manager) => {
      const lock = { mode: 'pessimistic_write' } as const;
      const application = await manager.findOne(ApplicationEntity, { where: { id }, lock });
      if (!application) return { kind: 'not_found' };
      if (application.state !== from) return { kind: 'not_now', state: application.state };
      await manager.update(ApplicationEntity, { id }, { state: to, changedAt: new Date(this.#clock.now()) });
      // Last: it locks the stream until the commit, and the commit is what publishes.
      const eventId = await publishEvent(manager, eventOf(application, step));
      return { kind: 'done', state: to, eventId };
    });
  }
}

/** The compiler checks each payload against the catalogue's schema of its type. */
function eventOf({ id, tenantId }: Application, step: ApplicationStep): CatalogueEvent {
  const common = { tenantId, streamId: id };
  switch (step) {
    case 'approve': {
      const type = 'SIGNING_SESSION_CREATED';
      const signingUrl = `https://sign.example.com/s/${id}?token=${randomUUID()}`;
      return { ...common, type, payload: { eventType: type, onboardingId: id, signingUrl } };
    }
    case 'sign': {
      const type = 'SIGNING_SESSION_COMPLETED';
      return { ...common, type, payload: { eventType: type, onboardingId: id } };
    }
    case 'complete': {
      const type = 'ONBOARDING_COMPLETED';
      return { ...common, type, payload: { eventType: type, onboardingId: id, engagementId: randomUUID() } };
    }
    case 'reject': {
      const type = 'ONBOARDING_REJECTED';
      return { ...common, type, payload: { eventType: type, onboardingId: id, rejectReason: 'INVALID_DOCUMENTS' } };
    }
  }
}
