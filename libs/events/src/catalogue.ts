// Every event type that Waybill knows. Types outside it are delivered too, without a schema check.
import { cardEvents } from './card-events.ts';
import type { EventType } from './event-type.ts';
import { onboardingEvents } from './onboarding-events.ts';

export const catalogue: readonly EventType[] = [...onboardingEvents, ...cardEvents];

const byType = new Map(catalogue.map((eventType) => [eventType.type, eventType]));

export function findEventType(type: string): EventType | undefined {
  return byType.get(type);
}

/** The type as a metric label: types outside the catalogue are `other`, so that labels stay bounded. */
export function eventTypeLabel(type: string): string {
  return byType.has(type) ? type : 'other';
}
