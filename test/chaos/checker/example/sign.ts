// Requests as an honest sender makes them, in the three public formats.
import { createCipheriv, createHmac } from 'node:crypto';
import type { Endpoint } from '../history.ts';

export interface Outgoing {
  eventId: string;
  type: string;
  streamId: string;
  sequence: number | null;
  attempt: number;
  epoch: number;
  payload: string;
  /** ms since 1970. */
  at: number;
  iv: Buffer;
}

/** Signed with each key that is valid at the time, the newest first. */
export function request(endpoint: Endpoint, out: Outgoing): { headers: Record<string, string>; body: string } {
  const headers = {
    'content-type': 'application/json',
    'x-webhook-event-id': out.eventId,
    'x-webhook-event-type': out.type,
    'x-webhook-stream-id': out.streamId,
    ...(out.sequence === null ? {} : { 'x-webhook-sequence': String(out.sequence) }),
    'x-webhook-attempt': String(out.attempt),
    'x-webhook-epoch': String(out.epoch),
  };
  const keys = endpoint.secrets
    .filter(({ fromAt, untilAt }) => fromAt <= out.at && (untilAt === null || out.at < untilAt))
    .map(({ secret, encoding }) =>
      endpoint.format === 'standard-webhooks'
        ? Buffer.from(secret.slice('whsec_'.length), 'base64')
        : Buffer.from(secret, endpoint.format === 'encrypted-envelope' ? encoding : 'utf8'),
    )
    .toReversed();
  const signed = sign(endpoint, keys, out);
  return { headers: { ...headers, ...signed.headers }, body: signed.body };
}

function sign(
  { format }: Endpoint,
  keys: Buffer[],
  { eventId, type, payload, at, iv }: Outgoing,
): { headers: Record<string, string>; body: string } {
  switch (format) {
    case 'signed-json': {
      const timestamp = new Date(at).toISOString();
      const [current, previous] = keys.map((key) => hmac(key, `${timestamp}:${payload}`, 'hex'));
      const headers = { 'x-card-onboarding-timestamp': timestamp, 'x-card-onboarding-signature': current! };
      return {
        headers: previous === undefined ? headers : { ...headers, 'x-card-onboarding-signature-previous': previous },
        body: payload,
      };
    }
    case 'standard-webhooks': {
      const timestamp = String(Math.floor(at / 1_000));
      const signatures = keys.map((key) => `v1,${hmac(key, `${eventId}.${timestamp}.${payload}`, 'base64')}`);
      const headers = {
        'webhook-id': eventId,
        'webhook-timestamp': timestamp,
        'webhook-signature': signatures.join(' '),
      };
      return { headers, body: payload };
    }
    case 'encrypted-envelope': {
      const key = keys[0]!;
      const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv);
      const sealed = Buffer.concat([iv, cipher.update(payload), cipher.final()]).toString('base64');
      const body = JSON.stringify({ encrypted_payload: sealed, type, hmac: hmac(key, sealed, 'hex') });
      return { headers: {}, body };
    }
  }
}

const hmac = (key: Buffer, text: string, as: 'hex' | 'base64') => createHmac('sha256', key).update(text).digest(as);
