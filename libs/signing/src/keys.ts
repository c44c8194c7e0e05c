// Secrets as crypto keys, checked once and kept: making a key costs as much as using it.
import { createHmac, createSecretKey, timingSafeEqual, type KeyObject } from 'node:crypto';
import type { Format, SecretEncoding } from './formats.ts';
import { secretBytes } from './secrets.ts';

/** A request cannot be signed: the endpoint's secret is unusable. Trying again changes nothing. */
export class SigningFault extends Error {
  readonly code = 'unusable_secret';
  readonly retryable = false;
}

// Enough for the endpoints of a busy process. Beyond it the oldest key makes room, so memory stays bounded.
const MOST_KEYS = 2048;
const caches: Record<Format, Map<string, KeyObject>> = {
  'signed-json': new Map(),
  'standard-webhooks': new Map(),
  'encrypted-envelope': new Map(),
};

/** The key for a secret. Throws SigningFault for one that `secretFault` objects to: nothing is ever signed with an empty key. */
export function keyFor(format: Format, secret: string, encoding: SecretEncoding = 'utf8'): KeyObject {
  const cache = caches[format];
  const name = format === 'encrypted-envelope' ? `${encoding}:${secret}` : secret;
  const known = cache.get(name);
  if (known !== undefined) return known;
  const bytes = secretBytes(format, secret, encoding);
  if (typeof bytes === 'string') throw new SigningFault(bytes);
  const key = createSecretKey(bytes);
  if (cache.size >= MOST_KEYS) {
    for (const oldest of cache.keys()) {
      cache.delete(oldest);
      break;
    }
  }
  cache.set(name, key);
  return key;
}

/** HMAC-SHA256 (RFC 2104) over a text and the bytes after it. */
export function hmacSha256(key: KeyObject, prefix: string, body: Uint8Array | '', as: 'hex' | 'base64'): string {
  const hmac = createHmac('sha256', key).update(prefix);
  return (body === '' ? hmac : hmac.update(body)).digest(as);
}

/** Compares two texts in a time that does not tell where they differ. */
export function sameText(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
