// Checks which secrets are accepted for each format, and that the ones we make are.
import { describe, expect, it } from 'vitest';
import { FORMATS, generateSecret, SECRET_ENCODINGS, secretFault, type Format, type SecretEncoding } from './index.ts';

const base64 = (bytes: number) => Buffer.alloc(bytes, 7).toString('base64');

describe('secretFault', () => {
  it.each<[Format, string, SecretEncoding | undefined]>([
    ['signed-json', 'a'.repeat(16), undefined],
    ['signed-json', 'a'.repeat(256), undefined],
    ['signed-json', 'ü'.repeat(8), undefined],
    ['standard-webhooks', `whsec_${base64(24)}`, undefined],
    ['standard-webhooks', `whsec_${base64(64)}`, undefined],
    ['encrypted-envelope', 'a'.repeat(16), undefined],
    ['encrypted-envelope', 'a'.repeat(24), 'utf8'],
    ['encrypted-envelope', 'AB'.repeat(32), 'hex'],
    ['encrypted-envelope', base64(32), 'base64'],
  ])('accepts for %s: %s (%s)', (format, secret, encoding) => {
    expect(secretFault(format, secret, encoding)).toBeNull();
  });

  it.each<[Format, string, SecretEncoding | undefined, string]>([
    ['signed-json', '', undefined, '16 to 256 bytes'],
    ['signed-json', 'a'.repeat(15), undefined, 'not 15'],
    ['signed-json', 'a'.repeat(257), undefined, 'not 257'],
    ['signed-json', 'ü'.repeat(129), undefined, 'not 258'],
    ['signed-json', `${'a'.repeat(20)}\ud800`, undefined, 'well-formed'],
    ['standard-webhooks', base64(32), undefined, 'whsec_'],
    ['standard-webhooks', 'whsec_', undefined, '24 to 64 bytes'],
    ['standard-webhooks', `whsec_${base64(23)}`, undefined, 'not 23'],
    ['standard-webhooks', `whsec_${base64(65)}`, undefined, 'not 65'],
    ['standard-webhooks', `whsec_${base64(32)}!`, undefined, 'not base64'],
    ['standard-webhooks', `whsec_${base64(32).replace('=', '')}`, undefined, 'not base64'],
    ['encrypted-envelope', '', undefined, 'AES key'],
    ['encrypted-envelope', 'a'.repeat(17), undefined, 'not 17'],
    ['encrypted-envelope', 'AB'.repeat(15), 'hex', 'not 15'],
    ['encrypted-envelope', `${'AB'.repeat(15)}0`, 'hex', 'not hexadecimal'],
    ['encrypted-envelope', `${'AB'.repeat(15)}0x`, 'hex', 'not hexadecimal'],
    ['encrypted-envelope', `${base64(16)}\n`, 'base64', 'not base64'],
  ])('refuses for %s: %j (%s), saying: %s', (format, secret, encoding, sentence) => {
    expect(secretFault(format, secret, encoding)).toContain(sentence);
  });
});

describe('generateSecret', () => {
  it('makes a good secret, another one each time', () => {
    for (const format of FORMATS) {
      for (const encoding of SECRET_ENCODINGS) {
        const made = Array.from({ length: 50 }, () => generateSecret(format, encoding));
        expect(made.map((secret) => secretFault(format, secret, encoding)).filter((fault) => fault !== null)).toEqual(
          [],
        );
        expect(new Set(made).size).toBe(50);
      }
    }
  });
});
