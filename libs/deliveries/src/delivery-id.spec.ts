import { describe, expect, it } from 'vitest';
import { decodeCursor, encodeCursor } from './cursor.ts';
import { deliveryId, isUuid, parseDeliveryId } from './delivery-id.ts';

const key = { endpointId: '01900000-0000-7000-8000-000000000001', eventId: 'ffffffff-ffff-4fff-bfff-ffffffffffff' };

describe('a delivery id', () => {
  it('is made of endpoint and event, and says so again', () => {
    const id = deliveryId(key);
    expect(id).toMatch(/^dlv_[\w-]{43}$/);
    expect(parseDeliveryId(id)).toEqual(key);
    expect(deliveryId({ ...key, endpointId: key.endpointId.toUpperCase() })).toBe(id);
  });

  it('has one spelling', () => {
    const id = deliveryId(key);
    for (const other of [
      '',
      'dlv_',
      id.slice(4),
      `${id}=`,
      `${id}A`,
      id.slice(0, -1),
      `dlv_${'A'.repeat(42)}B`,
      'dlv_!',
    ]) {
      expect(parseDeliveryId(other)).toBeNull();
    }
  });

  it('is told from a uuid', () => {
    expect(isUuid(key.eventId)).toBe(true);
    expect(isUuid(deliveryId(key))).toBe(false);
  });
});

describe('a cursor', () => {
  it('gives back its key to the list that it was made for', () => {
    const cursor = encodeCursor('things', ['2026', 7]);
    expect(decodeCursor('things', cursor, 2)).toEqual(['2026', 7]);
    expect(decodeCursor('other', cursor, 2)).toBeNull();
    expect(decodeCursor('things', cursor, 3)).toBeNull();
  });

  it('is null for anything else', () => {
    const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    for (const text of ['', '%', 'e30', json({}), json(null), json(['things', {}]), json(['things', null])]) {
      expect(decodeCursor('things', text, 1)).toBeNull();
    }
  });
});
