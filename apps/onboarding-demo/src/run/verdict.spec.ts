import { describe, expect, test } from 'vitest';
import type { Arrival } from '../receiver/sample-receiver.ts';
import { isComplete, judge, type Published } from './verdict.ts';

const event = (eventId: string, isOrdered = true): Published => ({
  streamId: 's',
  eventId,
  eventType: eventId.toUpperCase(),
  isOrdered,
  subscriptions: ['bank'],
});
const published = [event('a'), event('b'), event('code', false)];

let atMs = 0;
const arrival = (eventId: string, sequence: number | null, statusCode = 200, fault: string | null = null): Arrival => ({
  atMs: (atMs += 1_000),
  subscription: 'bank',
  streamId: 's',
  sequence,
  eventType: eventId.toUpperCase(),
  eventId,
  attempt: 1,
  fault,
  statusCode,
});
const verdictOn = (...arrivals: Arrival[]) => judge(published, arrivals)[0]!;

describe('the verdict', () => {
  test('finds no fault with events in order, retries, repeats, and an unordered event anywhere', () => {
    const arrivals = [arrival('a', 1, 503), arrival('code', null), arrival('a', 1), arrival('a', 1), arrival('b', 2)];
    const verdict = verdictOn(...arrivals);
    expect(verdict).toMatchObject({ expected: 3, delivered: 3, requests: 5, blockedMs: 2_000, faults: [] });
    expect(isComplete([verdict])).toBe(true);
  });

  test.each([
    ['an event ahead of its turn', [arrival('b', 2), arrival('a', 1)], /B came before A/],
    [
      'an attempt ahead of its turn, though it was refused',
      [arrival('a', 1, 503), arrival('b', 2, 503)],
      /B came before A/,
    ],
    ['a wrong sequence', [arrival('a', 2)], /A has sequence 2, not 1/],
    ['a bad signature', [arrival('a', 1, 401, 'bad_signature')], /bad_signature/],
    ['an event that nobody published', [arrival('x', 1)], /x was never published/],
  ])('names %s', (_, arrivals, fault) => {
    expect(verdictOn(...arrivals).faults.join()).toMatch(fault);
  });

  test('is not complete while an event is missing', () => {
    expect(isComplete(judge(published, [arrival('a', 1), arrival('code', null)]))).toBe(false);
  });

  test('leaves streams of others alone', () => {
    expect(judge(published, [{ ...arrival('x', 1), streamId: 'other' }])).toHaveLength(1);
  });
});
