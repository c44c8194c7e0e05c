// One attempt's body and signature headers, by the endpoint's format.
import { sealEnvelope } from './encrypted-envelope.ts';
import type { Format, SecretEncoding } from './formats.ts';
import { signedJsonHeaders } from './signed-json.ts';
import { standardWebhooksHeaders } from './standard-webhooks.ts';

export interface SigningInput {
  format: Format;
  eventId: string;
  eventType: string;
  /** The committed bytes. Never parsed, never re-serialised. */
  payload: Buffer;
  secret: string;
  /** The secret before a rotation, while it is still valid. `encrypted-envelope` has one key and ignores it. */
  previousSecret?: string | undefined;
  /** `encrypted-envelope` only. Default: utf8. */
  secretEncoding?: SecretEncoding | undefined;
  /** The instant of this attempt. */
  at: Date;
  /** 16 bytes, fresh for each attempt; for tests with known answers. Default: random. */
  randomIv?: (() => Buffer) | undefined;
}

export interface SignedRequest {
  headers: Record<string, string>;
  body: Buffer;
}

/**
 * Signs (or seals) one attempt. The body of the signed formats is the payload itself, the same Buffer.
 * Throws SigningFault when the secret is unusable: nothing may be sent then.
 */
export function signRequest(input: SigningInput): SignedRequest {
  const { payload, at, secret, previousSecret } = input;
  switch (input.format) {
    case 'signed-json':
      return { headers: signedJsonHeaders(payload, at, secret, previousSecret), body: payload };
    case 'standard-webhooks':
      return { headers: standardWebhooksHeaders(input.eventId, payload, at, secret, previousSecret), body: payload };
    case 'encrypted-envelope':
      return { headers: {}, body: sealEnvelope(input) };
  }
}
