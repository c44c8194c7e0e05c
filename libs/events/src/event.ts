// An event on its way from the relay to the consumer, and the log record that carries it.

export interface Target {
  /** UUID. */
  endpointId: string;
  /** 1, 2, … per lane; null for unordered types. */
  sequence: number | null;
}

export interface WaybillEvent {
  /** UUID, lower case. */
  eventId: string;
  /** These three: 1–200 printable ASCII characters without spaces. */
  type: string;
  tenantId: string;
  streamId: string;
  /** When it happened, by the domain service: ISO 8601 UTC with up to 6 decimals. */
  occurredAt: string;
  /** When it was committed: ISO 8601 UTC with exactly 6 decimals, kept as text because it is a database key. */
  enqueuedAt: string;
  /** At least one; no endpoint twice. */
  targets: readonly Target[];
  /** W3C Trace Context; left out when it is malformed, as that standard asks. */
  traceparent?: string;
  /** The exact committed bytes: UTF-8 JSON. Decoded, a view into the record's value, which it keeps in memory. */
  payload: Buffer;
  /** Set when the relay found the payload invalid, or had to replace it by a stub because Kafka refused its size. */
  payloadFault?: string;
}

/** What a Kafka client hands over: an array for a header that stands there twice. */
export type LogHeader = Buffer | string | null | (Buffer | string | null)[] | undefined;

export interface LogRecord {
  key: Buffer | string | null;
  value: Buffer | null;
  headers: Record<string, LogHeader>;
}

// https://www.w3.org/TR/trace-context/#traceparent-header-field-values, version 00, without the all-zero ids.
const TRACEPARENT = /^00-(?!0{32})[\da-f]{32}-(?!0{16})[\da-f]{16}-[\da-f]{2}$/;

export const isTraceparent = (text: string): boolean => TRACEPARENT.test(text);

/** Zero byte and 4-byte schema id, in front of the payload: the schema registry's wire format. */
export const FRAME_BYTES = 5;
