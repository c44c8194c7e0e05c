// What a good secret is for each format, and how one is made when the customer brings none.
import { randomBytes } from 'node:crypto';
import type { Format, SecretEncoding } from './formats.ts';

const STANDARD_WEBHOOKS_PREFIX = 'whsec_';
const AES_KEY_BYTES = [16, 24, 32];

/** The secret's key bytes, or a sentence that says what is wrong with it (and never repeats it). */
export function secretBytes(format: Format, secret: string, encoding: SecretEncoding = 'utf8'): Buffer | string {
  switch (format) {
    case 'signed-json':
      return within(decodeUtf8(secret), 16, 256);
    case 'standard-webhooks':
      if (!secret.startsWith(STANDARD_WEBHOOKS_PREFIX)) return `the secret must begin with ${STANDARD_WEBHOOKS_PREFIX}`;
      return within(decodeBase64(secret.slice(STANDARD_WEBHOOKS_PREFIX.length)), 24, 64);
    case 'encrypted-envelope': {
      const key = decode(secret, encoding);
      if (typeof key === 'string' || AES_KEY_BYTES.includes(key.length)) return key;
      return `the secret must be an AES key of 16, 24 or 32 bytes as ${encoding}, not ${key.length} bytes`;
    }
  }
}

/** Null for a secret that can be used; otherwise one sentence for the person who chose it, without the secret itself. */
export function secretFault(format: Format, secret: string, encoding?: SecretEncoding): string | null {
  const bytes = secretBytes(format, secret, encoding);
  return typeof bytes === 'string' ? bytes : null;
}

/** A fresh secret of at least 192 random bits in the spelling that the format asks for. */
export function generateSecret(format: Format, encoding: SecretEncoding = 'utf8'): string {
  switch (format) {
    case 'signed-json':
      return randomBytes(32).toString('base64url');
    case 'standard-webhooks':
      return STANDARD_WEBHOOKS_PREFIX + randomBytes(32).toString('base64');
    case 'encrypted-envelope':
      // As utf8 the characters themselves are the key: 32 of them, from 24 random bytes.
      return encoding === 'utf8' ? randomBytes(24).toString('base64url') : randomBytes(32).toString(encoding);
  }
}

function within(bytes: Buffer | string, least: number, most: number): Buffer | string {
  if (typeof bytes === 'string' || (bytes.length >= least && bytes.length <= most)) return bytes;
  return `the secret must be ${least} to ${most} bytes, not ${bytes.length}`;
}

function decode(text: string, encoding: SecretEncoding): Buffer | string {
  if (encoding === 'hex') return decodeHex(text);
  return encoding === 'base64' ? decodeBase64(text) : decodeUtf8(text);
}

function decodeUtf8(text: string): Buffer | string {
  // A lone surrogate has no UTF-8 bytes: both sides would sign with a replacement character, and differ by library.
  return text.isWellFormed() ? Buffer.from(text, 'utf8') : 'the secret is not well-formed Unicode text';
}

// Buffer.from drops or stops at characters that it does not know; a secret with a typing error must not become a shorter key.
function decodeHex(text: string): Buffer | string {
  return /^(?:[0-9a-fA-F]{2})*$/.test(text) ? Buffer.from(text, 'hex') : 'the secret is not hexadecimal';
}

function decodeBase64(text: string): Buffer | string {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : 'the secret is not base64 (RFC 4648 section 4, with padding)';
}
