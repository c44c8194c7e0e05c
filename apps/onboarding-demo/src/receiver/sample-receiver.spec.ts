import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { FakeClock } from '#clock';
import { type Format, generateSecret, signRequest } from '#signing';
import { type Arrival, SampleReceiver } from './sample-receiver.ts';

const clock = new FakeClock(Date.parse('2026-01-31T12:00:00Z'));
const arrivals: Arrival[] = [];
const receiver = new SampleReceiver({ clock, onArrival: (arrival) => void arrivals.push(arrival) });
const formats: readonly Format[] = ['signed-json', 'encrypted-envelope', 'standard-webhooks'];
const secrets = new Map(formats.map((format) => [format, generateSecret(format)]));
let address = '';

beforeAll(async () => {
  address = await receiver.listen(0);
  for (const [format, secret] of secrets) receiver.subscribe({ name: format, format, secret });
});
afterAll(() => receiver.close());

interface Request {
  format: Format;
  secret?: string;
  streamId?: string;
  sequence?: number | null;
  change?: (body: Buffer) => Buffer;
}

async function send({ format, secret = secrets.get(format)!, streamId = 's', sequence = 1, change }: Request) {
  const payload = Buffer.from('{"amount": 12345678901234567890.10}');
  const signed = signRequest({ format, eventId: 'e', eventType: 'T', payload, secret, at: new Date(clock.now()) });
  const headers = {
    ...signed.headers,
    'X-Webhook-Event-Id': 'e',
    'X-Webhook-Event-Type': 'T',
    'X-Webhook-Stream-Id': streamId,
    'X-Webhook-Attempt': '1',
    ...(sequence === null ? {} : { 'X-Webhook-Sequence': String(sequence) }),
  };
  const body = new Uint8Array(change?.(signed.body) ?? signed.body);
  const response = await fetch(`${address}/${format}`, { method: 'POST', headers, body });
  return { status: response.status, arrival: arrivals.at(-1) };
}

describe('the sample receiver', () => {
  test.each(formats)('takes %s that is signed with its secret', async (format) => {
    const { status, arrival } = await send({ format });
    expect(status).toBe(200);
    expect(arrival).toMatchObject({ subscription: format, sequence: 1, eventId: 'e', fault: null });
  });

  test.each(formats)('refuses %s that was signed with another secret', async (format) => {
    expect(await send({ format, secret: generateSecret(format) })).toMatchObject({ status: 401 });
  });

  test('refuses a body that was changed on the way', async () => {
    const change = (body: Buffer) => Buffer.from(body.toString().replace('.10', '.11'));
    const { status, arrival } = await send({ format: 'signed-json', change });
    expect(status).toBe(401);
    expect(arrival?.fault).toBe('bad_signature');
  });

  test('fails for one stream and one subscription, but not for an event without a sequence, and only for a while', async () => {
    const failing = { format: 'signed-json', streamId: 'down' } as const;
    receiver.failFor('signed-json', 'down', 1_000);
    expect(await send(failing)).toMatchObject({ status: 503 });
    expect(await send({ ...failing, sequence: null })).toMatchObject({ status: 200 });
    expect(await send({ ...failing, streamId: 'up' })).toMatchObject({ status: 200 });
    expect(await send({ ...failing, format: 'standard-webhooks' })).toMatchObject({ status: 200 });
    clock.advance(1_000);
    expect(await send(failing)).toMatchObject({ status: 200 });
  });

  test('knows no other path', async () => {
    expect((await fetch(`${address}/other`, { method: 'POST' })).status).toBe(404);
  });
});
