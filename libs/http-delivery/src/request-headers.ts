// Which header a tenant may choose for its authentication: any that HTTP allows and nothing else depends on.

const RESERVED = new Set([
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'date',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'user-agent',
  'via',
]);
const RESERVED_PREFIXES = ['proxy-', 'x-webhook-', 'x-card-onboarding-', 'webhook-'];

/** What is wrong with an endpoint's authentication header, as one sentence that does not repeat the value; or null. */
export function authHeaderFault(name: string, value: string): { field: 'name' | 'value'; detail: string } | null {
  const lower = name.toLowerCase();
  // RFC 9110, section 5.6.2: a token.
  if (!/^[a-z0-9!#$%&'*+.^_`|~-]{1,100}$/.test(lower)) return { field: 'name', detail: 'must be an HTTP header name' };
  if (RESERVED.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix))) {
    return { field: 'name', detail: 'must not be a header that HTTP or Waybill sets' };
  }
  // Printable ASCII without outer blanks, which receivers would trim. RFC 9110 discourages the rest.
  if (!/^[\x21-\x7e](?:[\x20-\x7e]{0,4094}[\x21-\x7e])?$/.test(value)) {
    return { field: 'value', detail: 'must be 1 to 4,096 printable ASCII characters without blanks around them' };
  }
  return null;
}
