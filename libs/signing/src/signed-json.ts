// The default format: the payload as it was committed, with a timestamp and its HMAC in headers.
import { hmacSha256, keyFor, sameText } from './keys.ts';
import { headerOf, timestampFault, type Verdict, type VerifyInput } from './verification.ts';

const TIMESTAMP_HEADER = 'X-Card-Onboarding-Timestamp';
const SIGNATURE_HEADER = 'X-Card-Onboarding-Signature';
const PREVIOUS_SIGNATURE_HEADER = 'X-Card-Onboarding-Signature-Previous';

export function signedJsonHeaders(
  payload: Uint8Array,
  at: Date,
  secret: string,
  previousSecret?: string,
): Record<string, string> {
  const timestamp = at.toISOString();
  const headers: Record<string, string> = {
    [TIMESTAMP_HEADER]: timestamp,
    [SIGNATURE_HEADER]: signature(secret, timestamp, payload),
  };
  if (previousSecret !== undefined) headers[PREVIOUS_SIGNATURE_HEADER] = signature(previousSecret, timestamp, payload);
  return headers;
}

/** Checks a received `signed-json` request: either signature, by any of the secrets that are valid now. */
export function verifySignedJson(input: VerifyInput): Verdict {
  const timestamp = headerOf(input.headers, TIMESTAMP_HEADER);
  const current = headerOf(input.headers, SIGNATURE_HEADER);
  const previous = headerOf(input.headers, PREVIOUS_SIGNATURE_HEADER);
  if (timestamp === undefined || current === undefined) return { ok: false, reason: 'missing_header' };
  const fault = timestampFault(Date.parse(timestamp), input);
  if (fault !== null) return { ok: false, reason: fault };
  const matches = input.secrets.some((secret) => {
    const expected = signature(secret, timestamp, input.body);
    return sameText(expected, current) || (previous !== undefined && sameText(expected, previous));
  });
  return matches ? { ok: true } : { ok: false, reason: 'bad_signature' };
}

function signature(secret: string, timestamp: string, body: Uint8Array): string {
  return hmacSha256(keyFor('signed-json', secret), `${timestamp}:`, body, 'hex');
}
