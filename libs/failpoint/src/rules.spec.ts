// How the text of WAYBILL_FAILPOINTS is read, and what its faults say.
import { describe, expect, test } from 'vitest';
import { parseFailpoints } from './rules.ts';

const parsed = (text: string) => {
  const result = parseFailpoints(text);
  return result.ok ? result.rules : result.faults;
};

test('reads nothing out of nothing', () => {
  expect(parsed('')).toEqual([]);
  expect(parsed(' ; ')).toEqual([]);
});

test.each([
  ['relay.after_read=exit', { kind: 'exit', afterMs: 0 }],
  ['relay.after_read=exit:20', { kind: 'exit', afterMs: 20 }],
  ['relay.after_read=stop', { kind: 'stop', afterMs: 0 }],
  ['relay.after_read=throw', { kind: 'throw' }],
  ['relay.after_read=delay:250', { kind: 'delay', delayMs: 250 }],
])('%s acts at every hit', (text, action) => {
  expect(parsed(text)).toEqual([{ name: 'relay.after_read', action, hit: 1, isRepeated: true }]);
});

test('a number after @ is the one hit that counts, with a plus the first one', () => {
  expect(parsed('relay.after_read=throw@3; producer.after_ack=delay:5@2+')).toEqual([
    { name: 'relay.after_read', action: { kind: 'throw' }, hit: 3, isRepeated: false },
    { name: 'producer.after_ack', action: { kind: 'delay', delayMs: 5 }, hit: 2, isRepeated: true },
  ]);
});

describe('a fault', () => {
  test.each([
    ['relay.after_raed=exit', 'there is no failpoint relay.after_raed; did you mean relay.after_read?'],
    ['consumer.before_flsh=exit', 'there is no failpoint consumer.before_flsh; did you mean consumer.before_flush?'],
    ['toString=exit', /^there is no failpoint toString; did you mean/],
    ['relay.after_read=exti', 'relay.after_read: there is no action exti; did you mean exit?'],
    ['relay.after_read=delay', 'relay.after_read: delay wants a time in ms, e.g. delay:500'],
    ['relay.after_read=throw:5', 'relay.after_read: throw takes no time'],
    ['relay.after_read', '"relay.after_read" must read name=action[:ms][@hit]'],
    ['relay.after_read=exit@0', '"relay.after_read=exit@0" must read name=action[:ms][@hit]'],
    ['relay.after_read=exit:-5', '"relay.after_read=exit:-5" must read name=action[:ms][@hit]'],
    [
      'consumer.after_park_before_ticket=delay:5',
      "consumer.after_park_before_ticket: stands in code that can't wait; use stop or exit",
    ],
  ])('of "%s" says what is wrong', (text, fault) => {
    expect(parsed(text)).toEqual([typeof fault === 'string' ? fault : expect.stringMatching(fault)]);
  });

  test('comes for each part, and none of the text is obeyed', () => {
    expect(parsed('relay.after_read=exit; a=exit; relay.before_release=no')).toHaveLength(2);
  });
});
