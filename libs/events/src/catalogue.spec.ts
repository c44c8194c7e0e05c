// Checks the catalogue as a whole: complete, consistent, and its samples valid.
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { catalogue, eventTypeLabel, findEventType } from './catalogue.ts';
import type { EventPayloads } from './payloads.ts';
import { explainCode } from './explain-code.ts';
import { streamIdOf } from './search-keys.ts';
import { validatePayload } from './validate.ts';

test('has every schema file, and each type once', () => {
  const files = readdirSync(new URL('./catalogue/', import.meta.url));
  expect(catalogue.map(({ type }) => `${type.toLowerCase().replaceAll('_', '-')}.schema.json`).toSorted()).toEqual(
    files.toSorted(),
  );
});

describe.each(catalogue.map((eventType) => [eventType.type, eventType] as const))('%s', (type, eventType) => {
  test('is found by its name, described, and shows a valid sample', () => {
    expect(findEventType(type)).toBe(eventType);
    expect(eventType.schema).toMatchObject({
      title: type,
      $id: `urn:waybill:event:${type}`,
      additionalProperties: true,
    });
    expect(eventType.summary).toMatch(/^[A-Z].*\.$/);
    expect(validatePayload(type, eventType.sample)).toEqual([]);
    expect(streamIdOf(type, eventType.sample)).not.toBeNull();
  });

  test('allows fields that it does not know', () => {
    expect(validatePayload(type, { ...eventType.sample, invented: { later: [1] } })).toEqual([]);
  });

  test('requires each required field', () => {
    for (const field of eventType.schema.required as string[]) {
      const { [field]: _left, ...rest } = eventType.sample;
      expect(validatePayload(type, rest)).toEqual([`/${field} is required`]);
    }
  });

  test('has a meaning for every code of its schema, and for no other', () => {
    const { meanings, schema } = eventType;
    const properties = schema.properties as Record<string, { enum?: string[] }>;
    const codes = properties.rejectReason?.enum ?? properties.failureCode?.enum ?? [];
    expect(Object.keys(meanings?.codes ?? {})).toEqual(codes);
    if (meanings) expect(codes).toContain(eventType.sample[meanings.field]);
  });
});

test('only codes that a person must act on now are unordered, and those expire after 10 minutes', () => {
  const unordered = catalogue.filter(({ ordering }) => ordering === 'none').map(({ type }) => type);
  expect(unordered).toEqual(['CARD_3DS', 'CARD_VERIFICATION']);
  for (const { ordering, expiresAfterMs } of catalogue)
    expect(expiresAfterMs).toBe(ordering === 'none' ? 600_000 : null);
});

test('types outside it share one metric label', () => {
  expect([eventTypeLabel('CARD_3DS'), eventTypeLabel('LOAN_PAID')]).toEqual(['CARD_3DS', 'other']);
  expect(findEventType('constructor')).toBeUndefined();
});

test('its payload types are known to the compiler', () => {
  const payload: EventPayloads['ONBOARDING_REJECTED'] = {
    eventType: 'ONBOARDING_REJECTED',
    onboardingId: '3f6f6c1e-7a0b-4d55-9c3e-2b1a5f0d8e47',
    rejectReason: 'KYC_DENIAL',
  };
  // @ts-expect-error no such reason
  payload.rejectReason = 'BAD_MOOD';
  expect(validatePayload('ONBOARDING_REJECTED', payload)).toHaveLength(1);
});

describe('a reject reason or failure code', () => {
  test('is explained with what the customer can do', () => {
    expect(explainCode('ONBOARDING_REJECTED', { rejectReason: 'CREDIT_SCORING_DENIAL' })).toMatchObject({
      field: 'rejectReason',
      code: 'CREDIT_SCORING_DENIAL',
      means: 'Insufficient creditworthiness by bureau data.',
      customerCan: expect.stringContaining('3 months') as string,
    });
  });

  test.each([
    ['ONBOARDING_REJECTED', { rejectReason: 'toString' }],
    ['ONBOARDING_REJECTED', null],
    ['CARD_3DS', { rejectReason: 'KYC_DENIAL' }],
    ['LOAN_PAID', { rejectReason: 'KYC_DENIAL' }],
  ])('is not invented for %s %j', (type, payload) => {
    expect(explainCode(type, payload)).toBeNull();
  });
});
