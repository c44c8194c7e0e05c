// The registry's id of each type's schema, asked for once and remembered for the life of the process.
import { type SchemaRegistry, SchemaType } from '@kafkajs/confluent-schema-registry';
import { type Clock, systemClock } from '#clock';
import { eventTypeLabel } from '#events';
import { createRegistryClient, withDeadline } from './registry-client.ts';
import { RegistryFault, statusOf, toRegistryFault } from './registry-fault.ts';
import { subjectOf } from './subjects.ts';

export class SchemaIds {
  readonly #client: SchemaRegistry;
  readonly #topic: string;
  readonly #clock: Clock;
  /** Type → id, or the request for it. At most one per type of the catalogue and one for all others. */
  readonly #ids = new Map<string, number | Promise<number>>();

  /** `topic`: the full name of the events topic. */
  constructor(url: string, topic: string, clock: Clock = systemClock) {
    this.#client = createRegistryClient(url);
    this.#topic = topic;
    this.#clock = clock;
  }

  /**
   * The id of this build's schema of a type, whichever version is the latest: a record's id then names the schema that
   * the payload was checked against. Ids never change, so the answer is kept for ever and the registry may be down from
   * then on. Rejects with RegistryFault; the next call asks again.
   */
  async idFor(type: string): Promise<number> {
    const label = eventTypeLabel(type);
    const known = this.#ids.get(label);
    if (known !== undefined) return known;
    const request = this.#ask(label);
    this.#ids.set(label, request);
    return request;
  }

  async #ask(label: string): Promise<number> {
    const { name, schema } = subjectOf(this.#topic, label);
    try {
      const call = this.#client.getRegistryIdBySchema(name, { type: SchemaType.JSON, schema });
      const id = await withDeadline(this.#clock, call);
      this.#ids.set(label, id);
      return id;
    } catch (error) {
      this.#ids.delete(label);
      if (isUnknown(error)) {
        throw new RegistryFault(
          'schema_not_registered',
          `${name} is not registered in this version; run the migration`,
          error,
        );
      }
      throw toRegistryFault(`asking for the id of ${name}`, error);
    }
  }
}

/** The client wraps a 404 in an error of its own, without the status. */
function isUnknown(error: unknown): boolean {
  return statusOf(error) === 404 || (error instanceof Error && error.name === 'ConfluentSchemaRegistryError');
}
