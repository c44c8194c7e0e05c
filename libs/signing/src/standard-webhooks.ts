// The format of standardwebhooks.com, version 1, symmetric: any of its public libraries can check it.
import { hmacSha256, keyFor, sameText } from './keys.ts';
import { headerOf, timestampFault, type Verdict, type VerifyInput } from './verification.ts';

export function standardWebhooksHeaders(
  eventId: string,
  payload: Uint8Array,
  at: Date,
  secret: string,
  previousSecret?: string,
): Record<string, string> {
  const timestamp = String(Math.floor(at.getTime() / 1000));
  const secrets = previousSecret === undefined ? [secret] : [secret, previousSecret];
  return {
    'webhook-id': eventId,
    'webhook-timestamp': timestamp,
    'webhook-signature': secrets.map((each) => signature(each, eventId, timestamp, payload)).join(' '),
  };
}

/** Checks a received `standard-webhooks` request: any listed signature, by any of the secrets that are valid now. */
export function verifyStandardWebhook(input: VerifyInput): Verdict {
  const id = headerOf(input.headers, 'webhook-id');
  const timestamp = headerOf(input.headers, 'webhook-timestamp');
  const signatures = headerOf(input.headers, 'webhook-signature');
  if (id === undefined || timestamp === undefined || signatures === undefined) {
    return { ok: false, reason: 'missing_header' };
  }
  const fault = timestampFault(/^\d{1,15}$/.test(timestamp) ? Number(timestamp) * 1000 : NaN, input);
  if (fault !== null) return { ok: false, reason: fault };
  const matches = input.secrets.some((secret) => {
    const expected = signature(secret, id, timestamp, input.body);
    return signatures.split(' ').some((candidate) => sameText(expected, candidate));
  });
  return matches ? { ok: true } : { ok: false, reason: 'bad_signature' };
}

function signature(secret: string, id: string, timestamp: string, body: Uint8Array): string {
  return `v1,${hmacSha256(keyFor('standard-webhooks', secret), `${id}.${timestamp}.`, body, 'base64')}`;
}
