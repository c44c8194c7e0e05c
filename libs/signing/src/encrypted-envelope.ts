// The envelope format: the payload under AES-CBC, authenticated by an HMAC with the same key, as that contract has it.
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';
import type { SecretEncoding } from './formats.ts';
import { hmacSha256, keyFor, sameText } from './keys.ts';

const IV_BYTES = 16;
const BLOCK_BYTES = 16;

export function sealEnvelope(input: {
  eventType: string;
  payload: Uint8Array;
  secret: string;
  secretEncoding?: SecretEncoding | undefined;
  randomIv?: (() => Buffer) | undefined;
}): Buffer {
  const key = keyFor('encrypted-envelope', input.secret, input.secretEncoding);
  const iv = input.randomIv?.() ?? randomBytes(IV_BYTES);
  const cipher = createCipheriv(algorithm(key), key, iv);
  const sealed = Buffer.concat([iv, cipher.update(input.payload), cipher.final()]).toString('base64');
  const hmac = hmacSha256(key, sealed, '', 'hex');
  return Buffer.from(JSON.stringify({ encrypted_payload: sealed, type: input.eventType, hmac }));
}

export type Opened = { ok: true; type: string; payload: Buffer } | { ok: false; reason: 'malformed' | 'bad_hmac' };

/**
 * Opens a received envelope and gives back the committed payload bytes. The HMAC is checked before anything is decrypted,
 * so a forged body never reaches the padding check. The `type` is outside the HMAC: trust it no further than the payload.
 */
export function decryptEnvelope(body: Uint8Array, secret: string, secretEncoding?: SecretEncoding): Opened {
  const envelope = parseEnvelope(body);
  if (envelope === null) return { ok: false, reason: 'malformed' };
  const key = keyFor('encrypted-envelope', secret, secretEncoding);
  if (!sameText(hmacSha256(key, envelope.sealed, '', 'hex'), envelope.hmac)) return { ok: false, reason: 'bad_hmac' };
  const bytes = Buffer.from(envelope.sealed, 'base64');
  if (bytes.length < IV_BYTES + BLOCK_BYTES || bytes.length % BLOCK_BYTES !== 0)
    return { ok: false, reason: 'malformed' };
  const decipher = createDecipheriv(algorithm(key), key, bytes.subarray(0, IV_BYTES));
  try {
    const payload = Buffer.concat([decipher.update(bytes.subarray(IV_BYTES)), decipher.final()]);
    return { ok: true, type: envelope.type, payload };
  } catch {
    return { ok: false, reason: 'malformed' }; // Authentic, but not sealed by this format: wrong padding.
  }
}

function parseEnvelope(body: Uint8Array): { sealed: string; type: string; hmac: string } | null {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body).toString('utf8'));
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { encrypted_payload: sealed, type, hmac } = value as Record<string, unknown>;
  return typeof sealed === 'string' && typeof type === 'string' && typeof hmac === 'string'
    ? { sealed, type, hmac }
    : null;
}

function algorithm(key: KeyObject): string {
  return `aes-${(key.symmetricKeySize ?? 0) * 8}-cbc`;
}
