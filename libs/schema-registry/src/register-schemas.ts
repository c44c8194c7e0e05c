// Registers the catalogue at migrate: each type under its own subject, safe to repeat and to run at once from several places.
import { COMPATIBILITY, type SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { type Clock, type Random, systemClock } from '#clock';
import { createRegistryClient, withDeadline } from './registry-client.ts';
import { statusOf, toRegistryFault } from './registry-fault.ts';
import { allSubjects, type Subject } from './subjects.ts';

export interface RegisterOptions {
  url: string;
  /** The full name of the events topic. */
  topic: string;
  clock?: Clock;
  random?: Random;
}

export interface RegisteredSubject {
  subject: string;
  id: number;
}

/**
 * Registers every type's JSON Schema under `<topic>-<type>`, and an open schema under `<topic>-other`, with the
 * compatibility level NONE. Throws RegistryFault; retryable while the registry is down.
 *
 * Why NONE. The levels compare JSON Schemas by rules that do not fit open content models: adding an optional field, the
 * very change that receivers are told to expect, is refused under BACKWARD and FULL, and Apicurio 3.3.3 answers 500
 * ("could not determine version") to any changed 2020-12 schema under every level but NONE. So the registry records
 * versions, and the rules of evolution are ours, kept by review of the schema files:
 * - an optional field may be added, a description changed: a new version, nothing to do for receivers;
 * - a required field or a reason code may be added once every publisher sends it and receivers were told;
 * - removing or renaming a required field, or changing a type, is a new event type.
 * A changed file is a new version with a new id at the next migrate; old ids stay valid, and a service that still runs
 * the older build goes on using its own.
 */
export async function registerSchemas(options: RegisterOptions): Promise<RegisteredSubject[]> {
  const client = createRegistryClient(options.url);
  const registered: RegisteredSubject[] = [];
  for (const subject of allSubjects(options.topic)) {
    registered.push({ subject: subject.name, id: await registerOne(client, subject, options) });
  }
  return registered;
}

// Two first registrations of a subject at once: one of them gets "rule already exists" or a conflict, as 409 or 500.
const MAX_TRIES = 8;

async function registerOne(client: SchemaRegistry, subject: Subject, options: RegisterOptions): Promise<number> {
  const { clock = systemClock, random = Math.random } = options;
  for (let tries = 1; ; tries++) {
    try {
      const schema = { type: SchemaType.JSON, schema: subject.schema } as const;
      const settings = { subject: subject.name, compatibility: COMPATIBILITY.NONE };
      return (await withDeadline(clock, client.register(schema, settings))).id;
    } catch (error) {
      if (!mayBeConflict(error) || tries >= MAX_TRIES) throw toRegistryFault(`registering ${subject.name}`, error);
    }
    await new Promise<void>((resolve) => clock.schedule(tries * 50 * (0.5 + random()), resolve));
  }
}

function mayBeConflict(error: unknown): boolean {
  const status = statusOf(error);
  return status === 409 || status === 500;
}
