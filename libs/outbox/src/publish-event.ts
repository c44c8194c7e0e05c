// One call to commit an event with the caller's own rows: a thin, typed door to outbox.publish_event.
import type { EventPayloads } from '#events';

/** What runs the call: a pg client or pool, or a TypeORM EntityManager, QueryRunner or DataSource. */
export type PublishRunner =
  | { query(text: string, values: unknown[]): Promise<{ rows: unknown[] }> }
  | { query(text: string, values: unknown[]): Promise<unknown[]> };

interface Common {
  /** 1 to 200 printable ASCII characters without spaces. */
  tenantId: string;
  /** What is kept in order: an onboarding ID, or a card ID. 1 to 200 printable ASCII characters without spaces. */
  streamId: string;
  /** When it happened. Default: the transaction's time. */
  occurredAt?: Date;
  /** A UUID that makes the call idempotent for the outbox's retention. Default: a new one. */
  eventId?: string;
  /** W3C Trace Context, handed on to the record and the logs. */
  traceparent?: string;
}

/** An event of the catalogue, its payload checked by the compiler. */
export type CatalogueEvent = {
  [T in keyof EventPayloads]: Common & { type: T; payload: EventPayloads[T] };
}[keyof EventPayloads];

/** An event of the platform's own: any type, and a payload that is sent as it is (`json` keeps its text) or serialised once. */
export interface CustomEvent extends Common {
  customType: string;
  payload: unknown;
}

/**
 * Commits an event with the caller's transaction: `runner` must be inside one. Keep it the last thing that the transaction
 * does; publish to several streams in sorted order; under REPEATABLE READ or above expect SQLSTATE 40001 and retry.
 *
 * Returns the event id, or null when no endpoint of the tenant wants this type (then nothing is enqueued). A fault in the
 * input is an SQL error that names the argument; the transaction is the caller's to roll back.
 */
export async function publishEvent(runner: PublishRunner, event: CatalogueEvent | CustomEvent): Promise<string | null> {
  const type = 'type' in event ? event.type : event.customType;
  const result = await runner.query(
    `SELECT outbox.publish_event($1, $2, $3, $4::json, coalesce($5::timestamptz, now()), $6::uuid, $7) AS event_id`,
    [
      event.tenantId,
      event.streamId,
      type,
      JSON.stringify(event.payload) ?? null,
      event.occurredAt?.toISOString() ?? null,
      event.eventId ?? null,
      event.traceparent ?? null,
    ],
  );
  const rows = (Array.isArray(result) ? result : result.rows) as { event_id: string | null }[];
  return rows[0]!.event_id;
}
