import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SecretBox, type SecretPlace } from './secret-box.ts';

const place: SecretPlace = {
  tenantId: 'bank-a',
  endpointId: '01900000-0000-7000-8000-000000000001',
  field: 'secret',
};
const oldKey = { id: 'old', key: randomBytes(32) };
const newKey = { id: 'new', key: randomBytes(32) };

describe('SecretBox', () => {
  it('opens what it sealed, whatever the text', () => {
    const box = new SecretBox([oldKey]);
    for (const text of ['', 'short', 'ключ 🔑', 'x'.repeat(5_000)]) {
      expect(box.open(box.seal(text, place), place)).toEqual({ ok: true, text });
    }
  });

  it('seals the same text differently each time and never shows it', () => {
    const box = new SecretBox([oldKey]);
    const [first, second] = [box.seal('a secret of mine', place), box.seal('a secret of mine', place)];
    expect(first).not.toBe(second);
    expect(Buffer.from(first.split('.')[2]!, 'base64url').includes('a secret of mine')).toBe(false);
  });

  it.each([
    ['another tenant', { ...place, tenantId: 'bank-b' }],
    ['another endpoint', { ...place, endpointId: '01900000-0000-7000-8000-000000000002' }],
    ['another field', { ...place, field: 'previous_secret' as const }],
  ])('does not open at %s', (_where, elsewhere) => {
    const box = new SecretBox([oldKey]);
    expect(box.open(box.seal('a secret', place), elsewhere)).toEqual({ ok: false, fault: 'damaged' });
  });

  it('reads with every key and writes with the first one', () => {
    const before = new SecretBox([oldKey]).seal('a secret', place);
    const box = new SecretBox([newKey, oldKey]);
    expect(box.open(before, place)).toEqual({ ok: true, text: 'a secret' });
    const after = box.seal('a secret', place);
    expect(new SecretBox([newKey]).open(after, place)).toEqual({ ok: true, text: 'a secret' });
    expect(new SecretBox([oldKey]).open(after, place)).toEqual({ ok: false, fault: 'unknown_key' });
  });

  it('reports every changed byte as damage, and texts that it never wrote', () => {
    const box = new SecretBox([oldKey]);
    const [version, id, data] = box.seal('a secret', place).split('.') as [string, string, string];
    const bytes = Buffer.from(data, 'base64url');
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed[index]! ^= 1;
      const sealed = [version, id, changed.toString('base64url')].join('.');
      expect(box.open(sealed, place)).toEqual({ ok: false, fault: 'damaged' });
    }
    for (const text of ['', 'v1', 'v1.old.', 'v1.old.AAAA', 'plain secret', `v2.old.${data}`]) {
      expect(box.open(text, place)).toEqual({ ok: false, fault: 'damaged' });
    }
  });

  it('refuses to exist without a key', () => {
    expect(() => new SecretBox([])).toThrow(/master key/);
  });
});
