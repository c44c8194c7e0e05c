// What the catalogue knows about one type of event.

export interface EventType {
  /** Its name, e.g. `CARD_STATUS_CHANGE`. */
  type: string;
  family: 'onboarding' | 'card';
  /** `stream`: in order per stream, with a sequence. `none`: no sequence, never blocked by another event. */
  ordering: 'stream' | 'none';
  /** Milliseconds from the commit after which a delivery is useless and ends as `expired`; null: never. */
  expiresAfterMs: number | null;
  /** The payload fields that may hold the stream id, the first non-empty one counts. */
  streamKey: readonly string[];
  /** One sentence for people. */
  summary: string;
  /** JSON Schema 2020-12 of the payload. */
  schema: Readonly<Record<string, unknown>>;
  /** A valid payload, with made-up values. */
  sample: Readonly<Record<string, unknown>>;
  /** Present for types that carry a reason or failure code. */
  meanings?: CodeMeanings;
}

export interface CodeMeanings {
  /** The payload field with the code. */
  field: string;
  codes: Readonly<Record<string, CodeMeaning>>;
}

export interface CodeMeaning {
  /** What the code means, for the tenant's support staff. */
  means: string;
  /** What the tenant's customer can do about it. */
  customerCan: string;
}

/** The name that the catalogue's schema has for itself. */
export function describedBy(schema: { title: string; description: string } & Record<string, unknown>) {
  return { type: schema.title, summary: schema.description, schema };
}
