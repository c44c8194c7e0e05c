// Checks the log record in both directions: whole round trips, and every way in which a foreign record can be wrong.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeRecord } from './decode-record.ts';
import { encodeCommitted, encodeRecord } from './encode-record.ts';
import type { LogHeader, LogRecord, WaybillEvent } from './event.ts';

const event: WaybillEvent = {
  eventId: '0b54a0a4-6f0e-4c6a-9f0b-2d6a3f1c9e11',
  type: 'CARD_STATUS_CHANGE',
  tenantId: 'acme-bank',
  streamId: 'card-77310',
  occurredAt: '2026-01-02T03:04:05.123Z',
  enqueuedAt: '2026-01-02T03:04:05.123456Z',
  targets: [
    { endpointId: '6a0f9f6e-3a53-4a39-9f5c-0d7b1a2c3d4e', sequence: 41 },
    { endpointId: '7b1f9f6e-3a53-4a39-9f5c-0d7b1a2c3d4e', sequence: null },
  ],
  payload: Buffer.from('{ "amount": 12345678901234567890.10 }'),
};

/** As a Kafka client hands it over: every header a Buffer. */
function received(changes: { headers?: Record<string, LogHeader>; key?: Buffer | null; value?: Buffer | null } = {}) {
  const { key, value, headers } = encodeRecord(event, 7);
  const buffers: Record<string, LogHeader> = {};
  for (const [name, header] of Object.entries(headers)) buffers[name] = Buffer.from(header);
  const record: LogRecord = { key: Buffer.from(key), value, headers: { ...buffers, ...changes.headers } };
  if ('key' in changes) record.key = changes.key ?? null;
  if ('value' in changes) record.value = changes.value ?? null;
  return record;
}

describe('an encoded event', () => {
  test('has the CloudEvents and Waybill headers', () => {
    expect(encodeRecord(event, 7)).toMatchObject({
      key: 'card-77310',
      headers: {
        ce_specversion: '1.0',
        ce_id: event.eventId,
        ce_type: 'CARD_STATUS_CHANGE',
        ce_source: '/waybill/acme-bank',
        ce_subject: 'card-77310',
        ce_time: '2026-01-02T03:04:05.123Z',
        'content-type': 'application/json',
        'waybill-tenant': 'acme-bank',
        'waybill-targets':
          '[["6a0f9f6e-3a53-4a39-9f5c-0d7b1a2c3d4e",41],["7b1f9f6e-3a53-4a39-9f5c-0d7b1a2c3d4e",null]]',
        'waybill-enqueued-at': '2026-01-02T03:04:05.123456Z',
      },
    });
  });

  test('has the registry’s frame in front of the committed bytes', () => {
    const { value } = encodeRecord(event, 258);
    expect([...value.subarray(0, 5)]).toEqual([0, 0, 0, 1, 2]);
    expect(value.subarray(5).equals(event.payload)).toBe(true);
  });

  test('is the same record from the texts that the outbox stores', () => {
    const targets = JSON.stringify(event.targets.map(({ endpointId, sequence }) => [endpointId, sequence]));
    const payload = '{ "name": "Zoë 🦉" }';
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const decoded = { ...event, payload: Buffer.from(payload) };
    expect(encodeCommitted({ ...event, targets, payload, traceparent: null }, 7)).toEqual(encodeRecord(decoded, 7));
    expect(encodeCommitted({ ...event, targets, payload, traceparent }, 7)).toEqual(
      encodeRecord({ ...decoded, traceparent }, 7),
    );
  });

  test('leaves out a malformed traceparent rather than losing the event', () => {
    expect(encodeRecord({ ...event, traceparent: 'bogus' }, 7).headers).not.toHaveProperty('traceparent');
  });
});

test('decoding what was encoded gives the same event, byte for byte', () => {
  const name = fc.stringMatching(/^[\x21-\x7e]{1,200}$/);
  const uuid = fc.uuid();
  const instant = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true });
  const target = fc.record({
    endpointId: uuid,
    sequence: fc.option(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })),
  });
  const utf8 = fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }).filter((text) => !text.includes('\0'));
  const arbitrary: fc.Arbitrary<WaybillEvent> = fc.record(
    {
      eventId: uuid,
      type: name,
      tenantId: name,
      streamId: name,
      occurredAt: instant.map((date) => date.toISOString()),
      enqueuedAt: instant.map((date) => date.toISOString().replace('Z', '789Z')),
      targets: fc.uniqueArray(target, { minLength: 1, maxLength: 6, selector: ({ endpointId }) => endpointId }),
      payload: utf8.map((text) => Buffer.from(text)),
      traceparent: fc.constant('00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'),
      payloadFault: utf8,
    },
    { requiredKeys: ['eventId', 'type', 'tenantId', 'streamId', 'occurredAt', 'enqueuedAt', 'targets', 'payload'] },
  );
  const schemaId = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(arbitrary, schemaId, fc.boolean(), (original, id, asBuffers) => {
      const { key, value, headers } = encodeRecord(original, id);
      const entries = Object.entries(headers).map(([header, text]) => [header, asBuffers ? Buffer.from(text) : text]);
      const decoded = decodeRecord({ key, value, headers: Object.fromEntries(entries) as LogRecord['headers'] });
      expect(decoded).toEqual({ ok: true, event: original, schemaId: id });
    }),
    { numRuns: 300 },
  );
});

describe('a record that is not ours', () => {
  const targets = (json: string) => ({ headers: { 'waybill-targets': json } });
  const endpoint = '6a0f9f6e-3a53-4a39-9f5c-0d7b1a2c3d4e';
  const enqueued = (text: string) => ({ headers: { 'waybill-enqueued-at': text } });
  const notMicroseconds = 'waybill-enqueued-at is not an ISO 8601 instant in UTC with exactly 6 decimals';
  const notSequence = 'waybill-targets holds a sequence that is neither null nor a whole number from 1';

  test.each([
    ['the record is a tombstone', { value: null }],
    ['the value is shorter than its 5-byte frame', { value: Buffer.from([0, 0, 0, 1]) }],
    ['the value does not begin with the magic byte 0', { value: Buffer.from('{"a":1}') }],
    ['the schema id is negative', { value: Buffer.from([0, 255, 0, 0, 0, 123, 125]) }],
    ['the payload is empty', { value: Buffer.from([0, 0, 0, 0, 1]) }],
    ['the payload holds a NUL byte', { value: Buffer.from([0, 0, 0, 0, 1, 0x22, 0, 0x22]) }],
    ['the payload is not UTF-8', { value: Buffer.from([0, 0, 0, 0, 1, 0xc3, 0x28]) }],
    ['the key is not ce_subject', { key: null }],
    ['the key is not ce_subject', { key: Buffer.from('card-77311') }],
    ['ce_specversion is not 1.0', { headers: { ce_specversion: '0.3' } }],
    ['content-type is not application/json', { headers: { 'content-type': 'text/plain' } }],
    ['header ce_source is missing', { headers: { ce_source: undefined } }],
    ['header ce_id is missing', { headers: { ce_id: undefined } }],
    [
      'header ce_id stands there 2 times',
      { headers: { ce_id: [Buffer.from(event.eventId), Buffer.from(event.eventId)] } },
    ],
    ['ce_id is not a lower-case UUID', { headers: { ce_id: event.eventId.toUpperCase() } }],
    ['ce_id is not a lower-case UUID', { headers: { ce_id: '' } }],
    ['ce_type is not 1–200 printable ASCII characters without spaces', { headers: { ce_type: 'x'.repeat(201) } }],
    ['ce_subject is not 1–200 printable ASCII characters without spaces', { headers: { ce_subject: 'a b' } }],
    [
      'waybill-tenant is not 1–200 printable ASCII characters without spaces',
      { headers: { 'waybill-tenant': 'a\r\nb: c' } },
    ],
    ['ce_time is not an ISO 8601 instant in UTC with up to 6 decimals', { headers: { ce_time: 'infinity' } }],
    ['header waybill-enqueued-at is missing', { headers: { 'waybill-enqueued-at': undefined } }],
    [notMicroseconds, enqueued('2026-01-02T03:04:05.123Z')],
    [notMicroseconds, enqueued('2026-01-02T03:04:05.123456+01:00')],
    [notMicroseconds, enqueued('2026-02-30T03:04:05.123456Z')],
    [notMicroseconds, enqueued('2025-02-29T03:04:05.123456Z')],
    [notMicroseconds, enqueued('2026-13-01T03:04:05.123456Z')],
    [notMicroseconds, enqueued('2026-01-022T03:04:05.123456Z')],
    [notMicroseconds, enqueued('T03:04:05.123456Z')],
    [notMicroseconds, enqueued('2026-01-02T24:00:00.000000Z')],
    [notMicroseconds, enqueued('0000-01-02T03:04:05.123456Z')],
    ['header waybill-targets is missing', { headers: { 'waybill-targets': undefined } }],
    ['waybill-targets is not JSON', targets('[["')],
    ['waybill-targets is not a list', targets('{"a":1}')],
    ['waybill-targets is empty', targets('[]')],
    ['waybill-targets holds something that is no pair', targets(`["${endpoint}"]`)],
    ['waybill-targets holds something that is no pair', targets(`[["${endpoint}"]]`)],
    ['an endpoint id in waybill-targets is not a lower-case UUID', targets('[["me",1]]')],
    ['an endpoint id in waybill-targets is not a lower-case UUID', targets('[[null,1]]')],
    ['an endpoint id in waybill-targets is not a lower-case UUID', targets('[["",1]]')],
    [notSequence, targets(`[["${endpoint}",0]]`)],
    [notSequence, targets(`[["${endpoint}",1.5]]`)],
    [notSequence, targets(`[["${endpoint}","1"]]`)],
    ['waybill-targets names an endpoint twice', targets(`[["${endpoint}",1],["${endpoint}",2]]`)],
  ] as const)('%s: %j', (reason, changes) => {
    expect(decodeRecord(received(changes as object))).toEqual({ ok: false, reason });
  });

  test('is judged without ever throwing, and without a value in the reason', () => {
    const header = fc.oneof(
      fc.string(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      fc.constant(undefined),
    );
    const names = Object.keys(encodeRecord(event, 7).headers);
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), header), fc.uint8Array(), (headers, bytes) => {
        const decoded = decodeRecord({ ...received({ headers }), value: Buffer.from(bytes) });
        if (!decoded.ok) expect(decoded.reason).toMatch(/^[\w.,\- –]+$/);
      }),
    );
  });

  test('on the 29th of February is fine in a leap year', () => {
    expect(decodeRecord(received(enqueued('2028-02-29T03:04:05.123456Z')))).toMatchObject({ ok: true });
  });

  test('with a malformed traceparent is delivered without it', () => {
    const decoded = decodeRecord(received({ headers: { traceparent: 'bogus' } }));
    expect(decoded).toEqual({ ok: true, event, schemaId: 7 });
  });
});
