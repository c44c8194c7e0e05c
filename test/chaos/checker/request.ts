// One request as the receiver saw it: opened with the keys that were valid then, its claims read from its headers.
import {
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from 'node:crypto';
import type { Arrival, Endpoint, EndpointSecret } from './history.ts';

/** Changes of an endpoint take effect within 2 s; a request may be on its way for a while. */
const ROTATION_GRACE_MS = 5_000;
const FRESH_MS = 5 * 60_000;

/** What is kept of an arrival: neither body nor signature. */
export interface Request {
  n: number;
  endpoint: Endpoint;
  receivedAt: number;
  answeredAt: number | null;
  status: number | null;
  answer: 'full' | 'cut' | 'none';
  retryAfter: string | null;
  eventId: string;
  type: string;
  streamId: string;
  /** null: no such header. */
  sequence: number | null;
  attempt: number;
  epoch: number;
  /** The receiver decided for success, whether or not the sender got to know. */
  isAccepted: boolean;
  /** Of the plaintext, lower-case hex. */
  sha256: string;
  /** What the signature says of the time of sending; NaN where the format or the request has none. */
  signedAt: number;
  /** First 16 bytes of the sealed text; null for other formats. */
  iv: string | null;
  /** Faults of signature, timestamp or envelope. */
  signatureFaults: string[];
  /** Headers that are missing, malformed or contradict each other. */
  headerFaults: string[];
}

export interface Opened {
  request: Request;
  plaintext: string;
}

export function openRequest(arrival: Arrival, endpoint: Endpoint): Opened {
  const { headers } = arrival;
  const signed = open(arrival, endpoint);
  const headerFaults: string[] = [];
  const whole = (name: string) => {
    if (!/^[1-9]\d{0,15}$/.test(headers[name] ?? '')) headerFaults.push(`${name} is "${headers[name]}"`);
    return Number(headers[name]);
  };
  const text = (name: string) => {
    if (!headers[name]) headerFaults.push(`${name} is missing`);
    return headers[name] ?? '';
  };
  const eventId = text('x-webhook-event-id');
  const type = text('x-webhook-event-type');
  if (signed.id !== undefined && signed.id !== eventId) headerFaults.push(`webhook-id is "${signed.id}"`);
  if (signed.type !== undefined && signed.type !== type) headerFaults.push(`the envelope's type is "${signed.type}"`);
  const request: Request = {
    n: arrival.n,
    endpoint,
    receivedAt: arrival.receivedAt,
    answeredAt: arrival.answeredAt,
    status: arrival.status,
    answer: arrival.answer,
    retryAfter: arrival.retryAfter,
    eventId,
    type,
    streamId: text('x-webhook-stream-id'),
    sequence: headers['x-webhook-sequence'] === undefined ? null : whole('x-webhook-sequence'),
    attempt: whole('x-webhook-attempt'),
    epoch: whole('x-webhook-epoch'),
    isAccepted: isSuccess(arrival.status, endpoint),
    sha256: createHash('sha256').update(signed.plaintext).digest('hex'),
    signedAt: signed.at,
    iv: signed.iv,
    signatureFaults: signed.faults,
    headerFaults,
  };
  return { request, plaintext: signed.plaintext };
}

export function isSuccess(status: number | null, { successStatus }: Endpoint): boolean {
  if (status === null) return false;
  return successStatus === '200' ? status === 200 : status >= 200 && status < 300;
}

interface Signed {
  plaintext: string;
  at: number;
  iv: string | null;
  id?: string | undefined;
  type?: string | undefined;
  faults: string[];
}

function open(arrival: Arrival, endpoint: Endpoint): Signed {
  switch (endpoint.format) {
    case 'signed-json':
      return openSignedJson(arrival, endpoint);
    case 'standard-webhooks':
      return openStandardWebhook(arrival, endpoint);
    case 'encrypted-envelope':
      return openEnvelope(arrival, endpoint);
  }
}

/** Keys that may sign at the time, newest last, and those among them that must: a change takes a moment to be known everywhere. */
function keysAt(at: number, endpoint: Endpoint): { may: EndpointSecret[]; must: EndpointSecret[] } {
  const may = endpoint.secrets.filter(
    ({ fromAt, untilAt }) => fromAt <= at && (untilAt === null || at < untilAt + ROTATION_GRACE_MS),
  );
  const must = may.filter(
    ({ fromAt, untilAt }) => fromAt + ROTATION_GRACE_MS <= at && (untilAt === null || at + ROTATION_GRACE_MS < untilAt),
  );
  return { may, must };
}

/** Every key that must have signed has done so, and every signature is some valid key's. */
function signatureFaults(
  arrival: Arrival,
  endpoint: Endpoint,
  given: string[],
  sign: (key: KeyObject) => string,
): string[] {
  const { may, must } = keysAt(arrival.receivedAt, endpoint);
  const right = may.map((secret) => sign(keyOf(secret, endpoint)));
  const faults = given.some((one) => !right.some((each) => same(one, each))) ? ['a signature is no valid key’s'] : [];
  if (given.length === 0) faults.push('there is no signature');
  for (const secret of must) {
    const wanted = sign(keyOf(secret, endpoint));
    if (!given.some((one) => same(one, wanted))) faults.push('the signature of a valid key is missing');
  }
  return faults;
}

function openSignedJson(arrival: Arrival, endpoint: Endpoint): Signed {
  const { headers, body } = arrival;
  const timestamp = headers['x-card-onboarding-timestamp'] ?? '';
  const given = ['x-card-onboarding-signature', 'x-card-onboarding-signature-previous'].flatMap(
    (name) => headers[name] ?? [],
  );
  const at = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(timestamp) ? Date.parse(timestamp) : NaN;
  const faults = [
    ...signatureFaults(arrival, endpoint, given, (key) => hmac(key, `${timestamp}:${body}`, 'hex')),
    ...timestampFaults(at, arrival),
  ];
  if (headers['x-card-onboarding-signature'] === undefined) faults.push('the signature header is missing');
  return { plaintext: body, at, iv: null, faults };
}

function openStandardWebhook(arrival: Arrival, endpoint: Endpoint): Signed {
  const { headers, body } = arrival;
  const id = headers['webhook-id'];
  const timestamp = headers['webhook-timestamp'] ?? '';
  const given = (headers['webhook-signature'] ?? '').split(' ').filter((one) => one !== '');
  const at = /^\d{1,12}$/.test(timestamp) ? Number(timestamp) * 1_000 : NaN;
  const sign = (key: KeyObject) => `v1,${hmac(key, `${id}.${timestamp}.${body}`, 'base64')}`;
  return {
    plaintext: body,
    at,
    iv: null,
    id: id ?? '',
    faults: [...signatureFaults(arrival, endpoint, given, sign), ...timestampFaults(at, arrival)],
  };
}

function openEnvelope(arrival: Arrival, endpoint: Endpoint): Signed {
  const nothing: Signed = { plaintext: '', at: NaN, iv: null, faults: ['the envelope cannot be read'] };
  let envelope: Record<string, unknown>;
  try {
    envelope = JSON.parse(arrival.body) as Record<string, unknown>;
  } catch {
    return nothing;
  }
  const { encrypted_payload: sealed, hmac: given, type } = envelope;
  if (typeof sealed !== 'string' || typeof given !== 'string' || typeof type !== 'string') return nothing;
  const { may } = keysAt(arrival.receivedAt, endpoint);
  const key = may.map((secret) => keyOf(secret, endpoint)).find((each) => same(given, hmac(each, sealed, 'hex')));
  const iv = Buffer.from(sealed, 'base64').subarray(0, 16).toString('hex');
  if (key === undefined) return { ...nothing, iv, type, faults: ['the envelope’s hmac is no valid key’s'] };
  const plaintext = decrypt(key, Buffer.from(sealed, 'base64'));
  return plaintext === null ? { ...nothing, iv, type } : { plaintext, at: NaN, iv, type, faults: [] };
}

function decrypt(key: KeyObject, bytes: Buffer): string | null {
  try {
    const decipher = createDecipheriv(`aes-${(key.symmetricKeySize ?? 0) * 8}-cbc`, key, bytes.subarray(0, 16));
    return Buffer.concat([decipher.update(bytes.subarray(16)), decipher.final()]).toString('utf8');
  } catch {
    return null;
  }
}

function timestampFaults(at: number, { receivedAt }: Arrival): string[] {
  if (Number.isNaN(at)) return ['the timestamp cannot be read'];
  return Math.abs(receivedAt - at) > FRESH_MS ? ['the timestamp is stale'] : [];
}

/** Making a key costs more than using it. */
const keys = new WeakMap<EndpointSecret, KeyObject>();

function keyOf(secret: EndpointSecret, endpoint: Endpoint): KeyObject {
  const known = keys.get(secret);
  if (known) return known;
  const key = createSecretKey(keyBytes(secret, endpoint));
  keys.set(secret, key);
  return key;
}

function keyBytes({ secret, encoding }: EndpointSecret, { format }: Endpoint): Buffer {
  if (format === 'standard-webhooks') return Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  return Buffer.from(secret, format === 'encrypted-envelope' ? encoding : 'utf8');
}

const hmac = (key: KeyObject, text: string, as: 'hex' | 'base64') => createHmac('sha256', key).update(text).digest(as);

function same(left: string, right: string): boolean {
  const [a, b] = [Buffer.from(left), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
