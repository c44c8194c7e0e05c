// Checks each format against answers computed with other programs (Python's hmac, the openssl command, published vectors).
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import {
  decryptEnvelope,
  FORMATS,
  generateSecret,
  signRequest,
  verifySignedJson,
  verifyStandardWebhook,
} from './index.ts';

// Spacing, key order and a number beyond 2^53: a re-serialised body would have another signature.
const payload = Buffer.from('{ "amount": 9007199254740993, "name": "Zoë" }');
const at = new Date('2026-01-02T03:04:05.678Z');
const event = { eventId: 'msg_p5jXN8AQM9LWM0D4loKWxJek', eventType: 'CARD_CREATED', payload, at };
const secret = 'correct horse battery staple';
const previousSecret = 'grüße-aus-münchen';
const signature = '007760dbc81036c480be9ddd835c2bad1c08122e530f098a313b3ad22de7e04c';
const previousSignature = '173e34e084a491e8fb0fc08c53093710a4b1a622f3b38351c1eba8cb34ba0a92';

describe('signed-json', () => {
  const signed = signRequest({ ...event, format: 'signed-json', secret });

  it('signs timestamp, colon and body with the UTF-8 bytes of the secret, in lower-case hex', () => {
    expect(signed.headers).toEqual({
      'X-Card-Onboarding-Timestamp': '2026-01-02T03:04:05.678Z',
      'X-Card-Onboarding-Signature': signature,
    });
  });

  it('sends the very bytes that were committed', () => {
    expect(signed.body).toBe(payload);
  });

  it('adds the old secret’s signature during a rotation', () => {
    const { headers } = signRequest({ ...event, format: 'signed-json', secret, previousSecret });
    expect(headers['X-Card-Onboarding-Signature']).toBe(signature);
    expect(headers['X-Card-Onboarding-Signature-Previous']).toBe(previousSignature);
  });

  it('is accepted during a rotation by receivers that have only the old or only the new secret', () => {
    const { headers, body } = signRequest({ ...event, format: 'signed-json', secret, previousSecret });
    for (const known of [secret, previousSecret]) {
      expect(verifySignedJson({ headers, body, secrets: [known], at })).toEqual({ ok: true });
    }
  });

  it('is rejected when the body, the timestamp, the secret or the time differ', () => {
    const input = { headers: signed.headers, body: payload, secrets: [secret], at };
    const moved = { ...signed.headers, 'X-Card-Onboarding-Timestamp': '2026-01-02T03:04:05.679Z' };
    const unreadable = { ...signed.headers, 'X-Card-Onboarding-Timestamp': 'yesterday' };
    const bad = { ok: false, reason: 'bad_signature' };
    expect(verifySignedJson({ ...input, body: Buffer.concat([payload, Buffer.from(' ')]) })).toEqual(bad);
    expect(verifySignedJson({ ...input, headers: moved })).toEqual(bad);
    expect(verifySignedJson({ ...input, secrets: [previousSecret] })).toEqual(bad);
    expect(verifySignedJson({ ...input, secrets: [] })).toEqual(bad);
    expect(verifySignedJson({ ...input, headers: unreadable })).toEqual({ ok: false, reason: 'bad_timestamp' });
    expect(verifySignedJson({ ...input, headers: {} })).toEqual({ ok: false, reason: 'missing_header' });
    const later = new Date(at.getTime() + 300_001);
    expect(verifySignedJson({ ...input, at: later })).toEqual({ ok: false, reason: 'stale' });
    expect(verifySignedJson({ ...input, at: later, toleranceMs: 300_001 })).toEqual({ ok: true });
  });

  it('is checked whatever the case of the header names, as Node’s server gives them', () => {
    const headers = Object.fromEntries(
      Object.entries(signed.headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    expect(verifySignedJson({ headers, body: payload, secrets: [secret], at })).toEqual({ ok: true });
    const shouted = Object.fromEntries(
      Object.entries(signed.headers).map(([name, value]) => [name.toUpperCase(), [value]]),
    );
    expect(verifySignedJson({ headers: shouted, body: payload, secrets: [secret], at })).toEqual({ ok: true });
  });
});

describe('standard-webhooks', () => {
  const body = Buffer.from('{"test": 2432232314}');
  const sentAt = new Date(1_614_265_330_999);
  const published = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
  const other = 'whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';
  const input = { ...event, format: 'standard-webhooks', payload: body, at: sentAt, secret: published } as const;

  it('gives the signature of the specification’s published example, with the time in whole seconds', () => {
    expect(signRequest(input)).toEqual({
      headers: {
        'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
        'webhook-timestamp': '1614265330',
        'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
      },
      body,
    });
  });

  it('lists both signatures during a rotation, the new one first', () => {
    const { headers } = signRequest({ ...input, secret: other, previousSecret: published });
    expect(headers['webhook-signature']).toBe(
      'v1,O4Gjv1HqPqsMrjmczoggs/sWA8gZD0VyHG+fLh4+ktI= v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    );
  });

  it('is accepted by the public standardwebhooks library, with either secret during a rotation', () => {
    const now = new Date(); // That library reads the machine's clock.
    const { headers } = signRequest({ ...input, at: now, secret: other, previousSecret: published });
    for (const known of [other, published]) {
      expect(new Webhook(known).verify(body, headers)).toEqual({ test: 2432232314 });
      expect(verifyStandardWebhook({ headers, body, secrets: [known], at: now })).toEqual({ ok: true });
    }
    expect(() => new Webhook(generateSecret('standard-webhooks')).verify(body, headers)).toThrow();
  });

  it('accepts what the public library signed, and rejects anything else', () => {
    const headers = {
      'webhook-id': 'm1',
      'webhook-timestamp': '1614265330',
      'webhook-signature': new Webhook(published).sign('m1', sentAt, body.toString()),
    };
    const input = { headers, body, secrets: [published], at: sentAt };
    const bad = { ok: false, reason: 'bad_signature' };
    expect(verifyStandardWebhook(input)).toEqual({ ok: true });
    expect(verifyStandardWebhook({ ...input, secrets: [other] })).toEqual(bad);
    expect(verifyStandardWebhook({ ...input, headers: { ...headers, 'webhook-id': 'm2' } })).toEqual(bad);
    expect(verifyStandardWebhook({ ...input, at: new Date(0) })).toEqual({ ok: false, reason: 'stale' });
    expect(verifyStandardWebhook({ ...input, headers: { ...headers, 'webhook-timestamp': '1e9' } }).ok).toBe(false);
    expect(verifyStandardWebhook({ ...input, headers: {} })).toEqual({ ok: false, reason: 'missing_header' });
  });
});

describe('encrypted-envelope', () => {
  const iv = Buffer.from('101112131415161718191a1b1c1d1e1f', 'hex');
  const seal = { ...event, format: 'encrypted-envelope', randomIv: () => iv } as const;

  it.each([
    {
      secretEncoding: 'utf8',
      secret: '0123456789abcdef',
      sealed: 'EBESExQVFhcYGRobHB0eH1uc/9BZJQCrXJCrhAWaaKKO6HosyFtrHd3zPMCNTeT4nkd/t9U1O02xesaoYYB1Kw==',
      hmac: 'dc4de73a03c072e20a8567847d84ddd1b2d6c875550fd18e7bd72bf9324a3bb7',
    },
    {
      secretEncoding: 'hex',
      secret: '000102030405060708090a0b0c0d0e0f1011121314151617',
      sealed: 'EBESExQVFhcYGRobHB0eHy/yW+q2v5v8du2dysXiGmmwO2acLojl6CAwfbOjfHJT4O7OD1Xi/AfAKvKJL6AA5w==',
      hmac: '5f8287167aa2b476b7bfa72e5e23ed26dd84c87b30f5ac71fdc5d2d35bded6f2',
    },
    {
      secretEncoding: 'base64',
      secret: 'ZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXp7fH1+f4CBgoM=',
      sealed: 'EBESExQVFhcYGRobHB0eH0TWEcj9JXRQP3KZMoDZOvZMv8/I5yRf4jJEqGRCoU/Rihdt9X6htcEV4epMkhX8ZQ==',
      hmac: 'd97f6c76ed201cd6c28c57dff54167939b7f3abf7ebf7e397c946be1b9f8b574',
    },
  ] as const)('seals as openssl and Python do, with a key given as $secretEncoding', ({ sealed, hmac, ...key }) => {
    const signed = signRequest({ ...seal, ...key });
    expect(signed.headers).toEqual({});
    expect(signed.body.toString()).toBe(`{"encrypted_payload":"${sealed}","type":"CARD_CREATED","hmac":"${hmac}"}`);
    expect(decryptEnvelope(signed.body, key.secret, key.secretEncoding)).toEqual({
      ok: true,
      type: 'CARD_CREATED',
      payload,
    });
  });

  it('draws a fresh IV for each attempt', () => {
    const attempt = () => signRequest({ ...seal, secret: '0123456789abcdef', randomIv: undefined }).body.toString();
    expect(attempt()).not.toBe(attempt());
  });

  it('rejects a forged, a truncated and a foreign body without throwing', () => {
    const key = '0123456789abcdef';
    const { body } = signRequest({ ...seal, secret: key });
    const envelope = JSON.parse(body.toString()) as { encrypted_payload: string; hmac: string };
    const forged = JSON.stringify({ ...envelope, encrypted_payload: envelope.encrypted_payload.replace('E', 'F') });
    expect(decryptEnvelope(Buffer.from(forged), key)).toEqual({ ok: false, reason: 'bad_hmac' });
    expect(decryptEnvelope(body, 'fedcba9876543210')).toEqual({ ok: false, reason: 'bad_hmac' });
    for (const foreign of ['', '[]', 'null', '{}', '{"encrypted_payload":1,"type":"T","hmac":"x"}']) {
      expect(decryptEnvelope(Buffer.from(foreign), key)).toEqual({ ok: false, reason: 'malformed' });
    }
  });
});

describe('every format', () => {
  it('carries any payload bytes unchanged', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 5000 }),
        fc.date({ noInvalidDate: true, min: new Date(0), max: at }),
        (bytes, date) => {
          const input = { ...event, payload: Buffer.from(bytes), at: date };
          for (const format of FORMATS) {
            const key = generateSecret(format);
            const { headers, body } = signRequest({ ...input, format, secret: key });
            const verify = format === 'signed-json' ? verifySignedJson : verifyStandardWebhook;
            if (format === 'encrypted-envelope') {
              expect(decryptEnvelope(body, key)).toEqual({ ok: true, type: event.eventType, payload: input.payload });
            } else {
              expect(body).toBe(input.payload);
              expect(verify({ headers, body, secrets: [key], at: date })).toEqual({ ok: true });
            }
          }
        },
      ),
      { numRuns: 100 },
    );
  });

  it('refuses to sign with an unusable secret, and does not repeat the secret in the fault', () => {
    for (const format of FORMATS) {
      for (const weak of ['', 'hunter2', 'whsec_', 'whsec_aHVudGVyMg==']) {
        const sign = () => signRequest({ ...event, format, secret: weak });
        if (format === 'signed-json' && weak.length >= 16) continue;
        expect(sign).toThrow(expect.objectContaining({ code: 'unusable_secret', retryable: false }));
        if (weak !== '' && weak !== 'whsec_') expect(sign).not.toThrow(weak);
      }
    }
  });

  it('signs with a key of its own for each format and encoding, even where the secret’s text is the same', () => {
    const text = '00112233445566778899aabbccddeeff';
    const seal = (secretEncoding: 'utf8' | 'hex') =>
      signRequest({ ...event, format: 'encrypted-envelope', secret: text, secretEncoding }).body;
    expect(decryptEnvelope(seal('hex'), text, 'hex').ok).toBe(true);
    expect(decryptEnvelope(seal('utf8'), text, 'utf8').ok).toBe(true);
    expect(decryptEnvelope(seal('hex'), text, 'utf8').ok).toBe(false);
  });

  it('signs alike after thousands of other secrets have passed through the bounded cache', () => {
    for (let i = 0; i < 3000; i++)
      signRequest({ ...event, format: 'signed-json', secret: `another secret, number ${i}` });
    expect(signRequest({ ...event, format: 'signed-json', secret }).headers['X-Card-Onboarding-Signature']).toBe(
      signature,
    );
  });
});
