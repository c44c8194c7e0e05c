// Which database errors pass by themselves.
import { describe, expect, it } from 'vitest';
import { isRetryable, sqlState } from './faults.ts';

const withCode = (code: string, message = 'x') => Object.assign(new Error(message), { code });

describe('isRetryable', () => {
  it.each([
    '08006',
    '40001',
    '40P01',
    '53300',
    '57P01',
    '57014',
    '58030',
    '55P03',
    '25P03',
    '25006',
    'ECONNREFUSED',
    'EPIPE',
    'ENOTFOUND',
  ])('waits for %s', (code) => expect(isRetryable(withCode(code))).toBe(true));
  it.each(['23505', '22P02', '42P01', '42501', '28P01', '3D000', 'ERR_INVALID_ARG_TYPE'])(
    'does not wait for %s',
    (code) => {
      expect(isRetryable(withCode(code))).toBe(false);
    },
  );
  it('knows what pg reports without a code', () => {
    expect(isRetryable(new Error('Connection terminated unexpectedly'))).toBe(true);
    expect(isRetryable(new Error('timeout exceeded when trying to connect'))).toBe(true);
    expect(isRetryable(new Error('Query read timeout'))).toBe(true);
    expect(isRetryable(new TypeError('x is not a function'))).toBe(false);
    for (const nothing of [null, undefined, 'text', 5]) expect(isRetryable(nothing)).toBe(false);
  });
});

describe('sqlState', () => {
  it('is the code of an SQL error only', () => {
    expect(sqlState(withCode('40001'))).toBe('40001');
    expect(sqlState(withCode('ECONNREFUSED'))).toBeUndefined();
    expect(sqlState(new Error('x'))).toBeUndefined();
    expect(sqlState(null)).toBeUndefined();
  });
});
