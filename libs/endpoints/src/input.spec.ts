import { describe, expect, it } from 'vitest';
import { AddressGuard } from '#http-delivery';
import { secretFault } from '#signing';
import { check } from './field-fault.ts';
import { checkEndpointPatch, checkNewEndpoint, endpointDefaults, tenantIdSchema, tenantInputSchema } from './input.ts';

const guard = new AddressGuard({ allowHttp: false, allowedCidrs: [], allowedPorts: [443, 8443] });
const url = 'https://receiver.example/hooks';
const secret = 'a-secret-of-24-characters';

/** The fields at fault, sorted; a good input has none. */
function faultsOf(input: unknown): string[] {
  const checked = checkNewEndpoint(input, guard);
  return checked.ok ? [] : checked.faults.map(({ field }) => field).toSorted();
}

describe('a new endpoint', () => {
  it('needs no more than a URL and gets the defaults of its format', () => {
    expect(checkNewEndpoint({ url }, guard)).toEqual({
      ok: true,
      value: { ...endpointDefaults('signed-json'), url, authHeader: null },
    });
    expect(checkNewEndpoint({ url, format: 'encrypted-envelope' }, guard)).toMatchObject({
      ok: true,
      value: { timeoutMs: 10_000, successStatus: '200' },
    });
    expect(checkNewEndpoint({ url, format: 'encrypted-envelope', timeoutMs: 3_000 }, guard)).toMatchObject({
      ok: true,
      value: { timeoutMs: 3_000 },
    });
  });

  it('keeps everything that was given', () => {
    const given = {
      url,
      format: 'standard-webhooks',
      secret: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
      eventTypes: ['CARD_3DS', 'MY_TYPE'],
      authHeader: { name: 'X-Api-Key', value: 'k-123' },
      timeoutMs: 1_000,
      maxRetries: 0,
      initialDelayMs: 10,
      maxDelayMs: 10,
      successStatus: '200',
      onExhausted: 'skip',
      maxConcurrency: 1_024,
      description: 'test',
      enabled: false,
    };
    expect(checkNewEndpoint(given, guard)).toMatchObject({ ok: true, value: given });
  });

  it.each([
    ['no URL', {}, ['url']],
    ['a URL that is no https', { url: 'http://receiver.example/' }, ['url']],
    ['a URL with user info', { url: 'https://me:pw@receiver.example/' }, ['url']],
    ['a forbidden port', { url: 'https://receiver.example:22/' }, ['url']],
    ['a loopback address in hexadecimal', { url: 'https://0x7f000001/' }, ['url']],
    ['the metadata address inside IPv6', { url: 'https://[::ffff:169.254.169.254]/' }, ['url']],
    ['a number where a text belongs', { url: 7 }, ['url']],
    ['an unknown format', { url, format: 'xml' }, ['format']],
    ['a timeout below 1 s', { url, timeoutMs: 999 }, ['timeoutMs']],
    ['a timeout above 60 s', { url, timeoutMs: 60_001 }, ['timeoutMs']],
    ['half a millisecond', { url, timeoutMs: 1_000.5 }, ['timeoutMs']],
    ['a number as text', { url, timeoutMs: '5000' }, ['timeoutMs']],
    ['too many retries', { url, maxRetries: 51 }, ['maxRetries']],
    ['no concurrency', { url, maxConcurrency: 0 }, ['maxConcurrency']],
    ['too much concurrency', { url, maxConcurrency: 1_025 }, ['maxConcurrency']],
    ['a cap below the first delay', { url, initialDelayMs: 500, maxDelayMs: 400 }, ['maxDelayMs']],
    ['an empty list of types', { url, eventTypes: [] }, ['eventTypes']],
    ['the star as a type', { url, eventTypes: ['*'] }, ['eventTypes.0']],
    ['a type with a space', { url, eventTypes: ['A', 'B C'] }, ['eventTypes.1']],
    ['a type named twice', { url, eventTypes: ['A', 'A'] }, ['eventTypes']],
    ['a short secret', { url, secret: 'short' }, ['secret']],
    ['an empty secret', { url, secret: '' }, ['secret']],
    ['a key of 20 bytes', { url, format: 'encrypted-envelope', secret: 'x'.repeat(20) }, ['secret']],
    ['an encoding for another format', { url, secretEncoding: 'hex' }, ['secretEncoding']],
    ['a header that frames the request', { url, authHeader: { name: 'Host', value: 'x' } }, ['authHeader.name']],
    ['a header of ours', { url, authHeader: { name: 'X-Webhook-Event-Id', value: 'x' } }, ['authHeader.name']],
    [
      'a signature header',
      { url, authHeader: { name: 'x-card-onboarding-signature', value: 'x' } },
      ['authHeader.name'],
    ],
    ['a header name with a colon', { url, authHeader: { name: 'a:b', value: 'x' } }, ['authHeader.name']],
    ['a line break in a header', { url, authHeader: { name: 'X-Key', value: 'x\r\nHost: y' } }, ['authHeader.value']],
    ['an unknown field', { url, retries: 3 }, ['retries']],
    ['a NUL', { url, description: 'a\0b' }, ['description']],
    ['a list instead of an object', [], ['']],
    ['several faults at once', { url: 'ftp://x', timeoutMs: 1 }, ['timeoutMs']],
  ])('is refused with %s', (_what, input, fields) => {
    expect(faultsOf(input)).toEqual(fields);
  });

  it('never repeats a secret in a fault', () => {
    const checked = checkNewEndpoint({ url, secret: 'sesame', authHeader: { name: 'X-K', value: 'sesame\n' } }, guard);
    expect(checked.ok).toBe(false);
    expect(JSON.stringify(checked)).not.toContain('sesame');
  });

  it('takes a secret of the format that it belongs to', () => {
    expect(secretFault('signed-json', secret)).toBeNull();
    expect(faultsOf({ url, secret })).toEqual([]);
    expect(faultsOf({ url, secret, format: 'standard-webhooks' })).toEqual(['secret']);
    const key = { format: 'encrypted-envelope', secretEncoding: 'hex', secret: 'ab'.repeat(32) };
    expect(faultsOf({ url, ...key })).toEqual([]);
  });
});

describe('a change of an endpoint', () => {
  it('may name any setting, and null where nothing shall be', () => {
    const patch = { timeoutMs: 5_000, eventTypes: null, authHeader: null, description: null, enabled: false };
    expect(checkEndpointPatch(patch)).toEqual({ ok: true, value: patch });
    expect(checkEndpointPatch({})).toEqual({ ok: true, value: {} });
  });

  it('cannot change the secret, the tenant or the id', () => {
    for (const field of ['secret', 'tenantId', 'id', 'revision']) {
      expect(checkEndpointPatch({ [field]: 'x' })).toMatchObject({ ok: false, faults: [{ field }] });
    }
  });
});

describe('a tenant', () => {
  it('has a name, and an id that domain services can publish with', () => {
    expect(check(tenantInputSchema, { name: 'Bank A' }).ok).toBe(true);
    expect(check(tenantInputSchema, { name: '  ' })).toMatchObject({ ok: false, faults: [{ field: 'name' }] });
    expect(check(tenantIdSchema, 'bank-a').ok).toBe(true);
    for (const id of ['', 'bank a', 'bänk', 'x'.repeat(201)]) expect(check(tenantIdSchema, id).ok).toBe(false);
  });
});
