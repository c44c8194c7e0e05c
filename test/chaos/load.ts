// What the domain services write: streams, types, payloads with odd bytes, marked values, and a few that their schema refuses.
import { createHash, randomUUID } from 'node:crypto';
import type { Random } from '#clock';
import type { WrittenEvent } from './checker/history.ts';
import { PROBE_TENANT, TENANTS } from './population.ts';

/** Streams of each tenant. */
const STREAMS = 60;
export const BANKS = TENANTS.filter((tenant) => tenant !== PROBE_TENANT);

/** An event to be published, with its journal's line. */
export interface Draft {
  tenantId: string;
  streamId: string;
  type: string;
  payload: string;
  key: string;
}

/** Values that stand in payloads and may be seen nowhere else. They look like what they stand for. */
export function markedValues(seed: number): { cardNumber: string; code: string; name: string } {
  return { cardNumber: `5214 7${seed} 8812 0047`, code: `otp-${seed}-931844`, name: `Wilhelmina-${seed} Vantongeren` };
}

export function pick<T>(random: Random, of: readonly T[]): T {
  return of[Math.floor(random() * of.length)]!;
}

/** Stream ids end in four hexadecimal digits, by which the receiver knows those that it refuses. */
export const streamOf = (tenantId: string, n: number) =>
  `5a17b111-${tenantId
    .charCodeAt(tenantId.length - 1)
    .toString(16)
    .padStart(4, '0')}-4000-8000-00000000${n.toString(16).padStart(4, '0')}`;

export function draft(random: Random, seed: number): Draft {
  const tenantId = pick(random, BANKS);
  const streamId = streamOf(tenantId, Math.floor(random() * STREAMS));
  const key = randomUUID();
  const type = typeBy(random());
  return { tenantId, streamId, type, key, payload: payloadOf(type, { streamId, key, random, seed }) };
}

function typeBy(draw: number): string {
  if (draw < 0.25) return 'SIGNING_SESSION_CREATED';
  if (draw < 0.45) return 'SIGNING_SESSION_COMPLETED';
  if (draw < 0.8) return 'TRANSACTION_CREATED';
  if (draw < 0.88) return 'CARD_3DS';
  if (draw < 0.93) return 'CARD_VERIFICATION';
  return 'LEDGER_NOTE';
}

interface Facts {
  streamId: string;
  key: string;
  random: Random;
  seed: number;
}

function payloadOf(type: string, { streamId, key, random, seed }: Facts): string {
  const marked = markedValues(seed);
  const extra = random() < 0.05 ? `, "card_number" : "${marked.cardNumber}", "verification_code":"${marked.code}"` : '';
  const holder = random() < 0.05 ? `,"full_name":"${marked.name}"` : '';
  // Bytes that a careless way of parsing and writing again would change: spaces, a number beyond 2^53, escapes, a zero at the end.
  const tail = `"writer_key": "${key}","odd":[9007199254740993, 1.10,"Zo\\u00eb 😀"]${extra}${holder} }`;
  switch (type) {
    case 'SIGNING_SESSION_CREATED':
      // One in five hundred lacks its URL: the schema refuses it and its lanes halt.
      return random() < 0.002
        ? `{ "eventType":"${type}","onboardingId":"${streamId}", ${tail}`
        : `{ "eventType":"${type}","onboardingId":"${streamId}","signingUrl":"https://sign.example.com/${key}", ${tail}`;
    case 'SIGNING_SESSION_COMPLETED':
      return `{ "eventType":"${type}","onboardingId":"${streamId}", ${tail}`;
    case 'TRANSACTION_CREATED':
      return `{ "card_id":"${streamId}","transaction_id":"${key}","amount":"12.50","currency":"EUR","status":"OK","occur_time":1770000000000, ${tail}`;
    case 'CARD_3DS':
    case 'CARD_VERIFICATION':
      return `{ "card_id":"${streamId}","occur_time":1770000000000, ${tail}`;
    default:
      return `{ ${tail}`;
  }
}

export function writtenEvent({ tenantId, streamId, type, payload, key }: Draft, eventId: string | null): WrittenEvent {
  const bodySha256 = createHash('sha256').update(payload).digest('hex');
  return { eventId, tenantId, streamId, type, bodySha256, key };
}
