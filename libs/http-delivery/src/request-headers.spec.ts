// Checks which authentication headers a tenant may set.
import { expect, it } from 'vitest';
import { authHeaderFault } from './request-headers.ts';

it.each([
  ['Authorization', 'Bearer abc.def'],
  ['X-Api-Key', 'k'],
  ['x-signature~1', 'a b'],
])('accepts %s: %s', (name, value) => {
  expect(authHeaderFault(name, value)).toBeNull();
});

it.each([
  ['', 'v', 'name'],
  ['a b', 'v', 'name'],
  ['a:', 'v', 'name'],
  ['Häder', 'v', 'name'],
  ['Host', 'v', 'name'],
  ['CONTENT-LENGTH', '1', 'name'],
  ['Transfer-Encoding', 'chunked', 'name'],
  ['Connection', 'close', 'name'],
  ['Proxy-Authorization', 'v', 'name'],
  ['X-Webhook-Sequence', '1', 'name'],
  ['X-Card-Onboarding-Signature', 'v', 'name'],
  ['webhook-id', 'v', 'name'],
  ['X-Api-Key', '', 'value'],
  ['X-Api-Key', ' v', 'value'],
  ['X-Api-Key', 'v\r\nX-Evil: 1', 'value'],
  ['X-Api-Key', 'v\u0000', 'value'],
  ['X-Api-Key', 'schlüssel', 'value'],
  ['X-Api-Key', 'a'.repeat(4097), 'value'],
])('refuses %j: %j by its %s, without repeating the value', (name, value, field) => {
  const fault = authHeaderFault(name, value);
  expect(fault?.field).toBe(field);
  if (value.length > 1) expect(fault?.detail).not.toContain(value);
});
