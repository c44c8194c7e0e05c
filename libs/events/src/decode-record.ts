// Reads a log record back into an event; strict, because what passes here goes into database keys and HTTP headers.
import { isUtf8 } from 'node:buffer';
import { FRAME_BYTES, isTraceparent, type LogHeader, type LogRecord, type Target, type WaybillEvent } from './event.ts';

export type DecodedRecord = { ok: true; event: WaybillEvent; schemaId: number } | { ok: false; reason: string };

const UUID = /^[\da-f]{8}-[\da-f]{4}-[\da-f]{4}-[\da-f]{4}-[\da-f]{12}$/;
const NAME = /^[\x21-\x7e]{1,200}$/;

/**
 * Never throws. The reason names the header and the rule, never a value. Runs for every record of the main topic, so it
 * is written by hand: about 1.2 µs for a record with one target and 1 KB whose headers are strings. The payload is a view into
 * `record.value`, not checked beyond being UTF-8; copy it to keep it longer than the fetched batch.
 */
export function decodeRecord(record: LogRecord): DecodedRecord {
  try {
    return read(record);
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, reason: error.message };
    throw error;
  }
}

class Malformed extends Error {}

function read({ key, value, headers }: LogRecord): DecodedRecord {
  const { schemaId, payload } = readValue(value);
  if (required(headers, 'ce_specversion') !== '1.0') throw new Malformed('ce_specversion is not 1.0');
  if (required(headers, 'content-type') !== 'application/json')
    throw new Malformed('content-type is not application/json');
  required(headers, 'ce_source');
  const streamId = name(headers, 'ce_subject');
  if (key === null || text(key) !== streamId) throw new Malformed('the key is not ce_subject');
  const event: WaybillEvent = {
    eventId: uuid(required(headers, 'ce_id'), 'ce_id'),
    type: name(headers, 'ce_type'),
    tenantId: name(headers, 'waybill-tenant'),
    streamId,
    occurredAt: instant(headers, 'ce_time', 0),
    enqueuedAt: instant(headers, 'waybill-enqueued-at', 6),
    targets: readTargets(required(headers, 'waybill-targets')),
    payload,
  };
  const traceparent = optional(headers, 'traceparent');
  if (traceparent !== undefined && isTraceparent(traceparent)) event.traceparent = traceparent;
  const payloadFault = optional(headers, 'waybill-payload-fault');
  if (payloadFault?.includes('\0')) throw new Malformed('waybill-payload-fault holds a NUL');
  if (payloadFault !== undefined) event.payloadFault = payloadFault;
  return { ok: true, event, schemaId };
}

function readValue(value: Buffer | null): { schemaId: number; payload: Buffer } {
  if (value === null) throw new Malformed('the record is a tombstone');
  if (value.length < FRAME_BYTES) throw new Malformed('the value is shorter than its 5-byte frame');
  if (value[0] !== 0) throw new Malformed('the value does not begin with the magic byte 0');
  const schemaId = value.readInt32BE(1);
  if (schemaId < 0) throw new Malformed('the schema id is negative');
  const payload = value.subarray(FRAME_BYTES);
  if (payload.length === 0) throw new Malformed('the payload is empty');
  if (!isUtf8(payload)) throw new Malformed('the payload is not UTF-8');
  // No JSON holds one, and no text of PostgreSQL's may: it would refuse the batch of every delivery that is written with this.
  if (payload.includes(0)) throw new Malformed('the payload holds a NUL byte');
  return { schemaId, payload };
}

/** The last good one: records in a row often have one endpoint, which then has one string in memory. */
let lastEndpointId: string | null = null;

function readTargets(json: string): Target[] {
  const items = parseList(json);
  if (items.length === 0) throw new Malformed('waybill-targets is empty');
  const targets = items.map((item) => {
    if (!Array.isArray(item) || item.length !== 2)
      throw new Malformed('waybill-targets holds something that is no pair');
    const [endpointId, sequence] = item as [unknown, unknown];
    if (sequence !== null && !(Number.isSafeInteger(sequence) && (sequence as number) >= 1)) {
      throw new Malformed('waybill-targets holds a sequence that is neither null nor a whole number from 1');
    }
    if (lastEndpointId === null || endpointId !== lastEndpointId)
      lastEndpointId = uuid(endpointId, 'an endpoint id in waybill-targets');
    return { endpointId: lastEndpointId, sequence: sequence as number | null };
  });
  if (targets.length > 1 && new Set(targets.map(({ endpointId }) => endpointId)).size < targets.length) {
    throw new Malformed('waybill-targets names an endpoint twice');
  }
  return targets;
}

function parseList(json: string): unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new Malformed('waybill-targets is not JSON');
  }
  if (!Array.isArray(value)) throw new Malformed('waybill-targets is not a list');
  return value;
}

const text = (raw: Buffer | string): string => (typeof raw === 'string' ? raw : raw.toString('utf8'));

function optional(headers: Record<string, LogHeader>, header: string): string | undefined {
  const raw = headers[header];
  if (raw === undefined || raw === null) return undefined;
  if (!Array.isArray(raw)) return text(raw);
  const [only, ...more] = raw;
  if (only === undefined || only === null || more.length > 0)
    throw new Malformed(`header ${header} stands there ${raw.length} times`);
  return text(only);
}

function required(headers: Record<string, LogHeader>, header: string): string {
  const value = optional(headers, header);
  if (value === undefined) throw new Malformed(`header ${header} is missing`);
  return value;
}

function name(headers: Record<string, LogHeader>, header: string): string {
  const value = required(headers, header);
  if (!NAME.test(value)) throw new Malformed(`${header} is not 1–200 printable ASCII characters without spaces`);
  return value;
}

function uuid(value: unknown, what: string): string {
  if (typeof value !== 'string' || !UUID.test(value)) throw new Malformed(`${what} is not a lower-case UUID`);
  return value;
}

const DATE = /^(\d{4})-(\d\d)-(\d\d)/;
const TIME = /T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?Z$/y;
const TIME_IN_MICROSECONDS = /T([01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z$/y;
const DATE_LENGTH = 'yyyy-mm-dd'.length;

/** Checked down to the day of the month: a database would refuse February 30th, for ever, at every flush. */
function instant(headers: Record<string, LogHeader>, header: string, decimals: 0 | 6): string {
  const value = required(headers, header);
  const time = decimals === 0 ? TIME : TIME_IN_MICROSECONDS;
  time.lastIndex = DATE_LENGTH;
  if (!time.test(value) || !beginsWithDate(value)) {
    const shape = decimals === 0 ? 'with up to 6 decimals' : 'with exactly 6 decimals';
    throw new Malformed(`${header} is not an ISO 8601 instant in UTC ${shape}`);
  }
  return value;
}

/** The last good one: nearly all records are of the same day. */
let lastDate: string | null = null;

function beginsWithDate(text: string): boolean {
  if (lastDate !== null && text.startsWith(lastDate)) return true;
  const match = DATE.exec(text);
  if (!match || !isDay(Number(match[1]), Number(match[2]), Number(match[3]))) return false;
  lastDate = match[0];
  return true;
}

const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

function isDay(year: number, month: number, day: number): boolean {
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return year >= 1 && day >= 1 && day <= (DAYS_IN_MONTH[month - 1] ?? 0) + (leap ? 1 : 0);
}
