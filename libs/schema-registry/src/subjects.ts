// Which schemas stand under which subjects of the registry.
import { catalogue, findEventType } from '#events';

export interface Subject {
  /** `<topic>-<type>`: set explicitly, because one topic carries many types (Confluent's TopicRecordName by another name). */
  name: string;
  /** The exact text that is registered and looked up: registries tell schemas apart by it. */
  schema: string;
}

// Types outside the catalogue are delivered unchecked; their records still need an id in the frame.
const OPEN_SCHEMA = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:waybill:event:other',
  title: 'other',
  description: 'The payload of an event type outside the catalogue: any JSON.',
};

/** `topic` is the full name of the events topic, e.g. `waybill.events`. */
export function subjectOf(topic: string, type: string): Subject {
  const known = findEventType(type);
  return { name: `${topic}-${known?.type ?? 'other'}`, schema: JSON.stringify(known?.schema ?? OPEN_SCHEMA) };
}

/** One for each type of the catalogue, and the one for all others. */
export function allSubjects(topic: string): Subject[] {
  return [...catalogue.map(({ type }) => type), 'other'].map((type) => subjectOf(topic, type));
}
