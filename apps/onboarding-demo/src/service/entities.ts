// The sample service's own tables, as TypeORM sees them: applications for an account, and cards.
import { EntitySchema } from 'typeorm';

export type ApplicationState = 'open' | 'approved' | 'signed' | 'completed' | 'rejected';

export interface Application {
  /** The onboarding ID: the stream of its events. */
  id: string;
  tenantId: string;
  applicant: string;
  state: ApplicationState;
  changedAt: Date;
}

export type CardState = 'ordered' | 'applied' | 'active' | 'locked';

export interface Card {
  /** The stream of its events. */
  id: string;
  tenantId: string;
  userId: string;
  state: CardState;
  changedAt: Date;
}

export const ApplicationEntity = new EntitySchema<Application>({
  name: 'Application',
  schema: 'demo',
  tableName: 'application',
  columns: {
    id: { type: 'uuid', primary: true },
    tenantId: { name: 'tenant_id', type: 'text' },
    applicant: { type: 'text' },
    state: { type: 'text' },
    changedAt: { name: 'changed_at', type: 'timestamptz' },
  },
});

export const CardEntity = new EntitySchema<Card>({
  name: 'Card',
  schema: 'demo',
  tableName: 'card',
  columns: {
    id: { type: 'uuid', primary: true },
    tenantId: { name: 'tenant_id', type: 'text' },
    userId: { name: 'user_id', type: 'uuid' },
    state: { type: 'text' },
    changedAt: { name: 'changed_at', type: 'timestamptz' },
  },
});
