// Checks what each result of a request means, and the Retry-After values that are met in the wild.
import { ERROR_CLASSES } from '#http-delivery';
import { describe, expect, it, test } from 'vitest';
import { type AttemptResult, classify, type Outcome, parseRetryAfter } from './index.ts';

const NOW = Date.UTC(2026, 0, 1, 12);
const response = (statusCode: number, headers: Record<string, string> = {}): AttemptResult => ({
  kind: 'response',
  statusCode,
  headers,
});
const failed = (errorClass: string): AttemptResult => ({ kind: 'failed', errorClass });
const failure = (errorClass: string): Outcome => ({ kind: 'failure', errorClass });

describe('the outcome of a request', () => {
  test.each<[string, AttemptResult, Outcome]>([
    ['200', response(200), { kind: 'success' }],
    ['202', response(202), { kind: 'success' }],
    ['204', response(204), { kind: 'success' }],
    ['299', response(299), { kind: 'success' }],
    ['a redirect', response(301, { location: 'https://elsewhere.example' }), failure('http_3xx')],
    ['304', response(304), failure('http_3xx')],
    ['400', response(400), failure('http_4xx')],
    ['401', response(401), failure('http_4xx')],
    ['408', response(408), failure('http_4xx')],
    ['410', response(410), { kind: 'gone', errorClass: 'http_4xx' }],
    ['429 without Retry-After', response(429), failure('http_4xx')],
    ['429 with it', response(429, { 'retry-after': '7' }), { ...failure('http_4xx'), retryAfterMs: 7_000 } as Outcome],
    ['503 with it', response(503, { 'retry-after': '7' }), { ...failure('http_5xx'), retryAfterMs: 7_000 } as Outcome],
    ['500 with it: not asked for there', response(500, { 'retry-after': '7' }), failure('http_5xx')],
    ['an odd status', response(600), failure('http_6xx')],
    ['a timeout', failed('timeout'), failure('timeout')],
    ['a refused connection', failed('connection_refused'), failure('connection_refused')],
    ['a blocked target', failed('blocked_target'), { kind: 'held', errorClass: 'blocked_target' }],
    ['a request that we cut', failed('aborted'), { kind: 'unknown', errorClass: 'aborted' }],
    ['a fault of this machine', failed('local_fault'), { kind: 'unknown', errorClass: 'local_fault' }],
  ])('%s', (_what, result, outcome) => {
    expect(classify(result, '2xx', NOW)).toEqual(outcome);
  });

  it('is, for every status that there is, a success, a failure of its hundred, or the receiver’s farewell', () => {
    for (let status = 200; status <= 599; status++) {
      const errorClass = `http_${String(status)[0]}xx`;
      const expected = status < 300 ? { kind: 'success' } : { kind: status === 410 ? 'gone' : 'failure', errorClass };
      expect(classify(response(status), '2xx', NOW), String(status)).toEqual(expected);
      // Only 429 and 503 are asked when to come again.
      const asked = classify(response(status, { 'retry-after': '7' }), '2xx', NOW);
      const isHeard = status === 429 || status === 503;
      expect(asked, String(status)).toEqual(isHeard ? { ...expected, retryAfterMs: 7_000 } : expected);
    }
  });

  it('is decided for every class of error that a request can end with', () => {
    const special: Record<string, Outcome['kind']> = {
      blocked_target: 'held',
      aborted: 'unknown',
      local_fault: 'unknown',
    };
    for (const errorClass of ERROR_CLASSES) {
      expect(classify(failed(errorClass), '2xx', NOW)).toEqual({ kind: special[errorClass] ?? 'failure', errorClass });
    }
  });

  it('is a success with 200 alone for endpoints that say so', () => {
    expect(classify(response(200), '200', NOW)).toEqual({ kind: 'success' });
    expect(classify(response(202), '200', NOW)).toEqual(failure('http_2xx'));
  });
});

describe('Retry-After', () => {
  test.each<[string | undefined, number | undefined]>([
    ['0', 0],
    ['120', 120_000],
    [' 120 ', 120_000],
    ['99999999999', 99_999_999_999_000],
    ['Thu, 01 Jan 2026 12:00:30 GMT', 30_000],
    ['Thu, 01 Jan 2026 12:00:00 GMT', undefined],
    ['Thu, 01 Jan 2026 11:00:00 GMT', undefined],
    ['Thu, 32 Jan 2026 12:00:30 GMT', undefined],
    ['2026-01-01T12:00:30Z', undefined],
    ['-5', undefined],
    ['+5', undefined],
    ['1.5', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['5, 10', undefined],
    ['soon', undefined],
    ['', undefined],
    [undefined, undefined],
  ])('%j means %s ms', (value, ms) => {
    expect(parseRetryAfter(value, NOW)).toBe(ms);
  });
});
