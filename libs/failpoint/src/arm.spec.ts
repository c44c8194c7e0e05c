// What an armed failpoint does at which hit.
import { FakeClock } from '#clock';
import { expect, test } from 'vitest';
import { armFailpoints, FailpointFault } from './arm.ts';
import { parseFailpoints } from './rules.ts';

function armed(text: string) {
  const parsed = parseFailpoints(text);
  if (!parsed.ok) throw new Error(parsed.faults.join('; '));
  const clock = new FakeClock();
  const lines: string[] = [];
  const signals: string[] = [];
  const failpoint = armFailpoints(parsed.rules, {
    say: (line) => lines.push(line),
    signal: (name) => signals.push(name),
    schedule: (ms, run) => void clock.schedule(ms, run),
  });
  return { failpoint, clock, lines, signals };
}

test('exit kills at the hit that is named, at no other, and says so before', () => {
  const { failpoint, lines, signals } = armed('relay.after_read=exit@2');
  for (const expected of [[], ['SIGKILL'], ['SIGKILL']]) {
    expect(failpoint('relay.after_read')).toBeUndefined();
    expect(signals).toEqual(expected);
  }
  expect(lines).toEqual(['failpoint relay.after_read: exit at hit 2']);
});

test('another failpoint is no hit', () => {
  const { failpoint, signals } = armed('relay.after_read=exit');
  void failpoint('relay.before_release');
  expect(signals).toEqual([]);
});

test('exit with a time kills that much later', () => {
  const { failpoint, clock, signals } = armed('consumer.in_flight=exit:20@1');
  void failpoint('consumer.in_flight');
  clock.advance(19);
  expect(signals).toEqual([]);
  clock.advance(1);
  expect(signals).toEqual(['SIGKILL']);
});

test('stop halts the process', () => {
  const { failpoint, signals } = armed('consumer.before_flush=stop');
  void failpoint('consumer.before_flush');
  expect(signals).toEqual(['SIGSTOP']);
});

test('throw throws a fault that a caller may retry, from the named hit on', () => {
  const { failpoint } = armed('producer.after_ack=throw@2+');
  void failpoint('producer.after_ack');
  for (let hit = 2; hit < 4; hit++) {
    expect(() => failpoint('producer.after_ack')).toThrow(
      expect.objectContaining({ code: 'failpoint', retryable: true, message: 'failpoint producer.after_ack' }),
    );
  }
  expect(new FailpointFault('x')).toBeInstanceOf(Error);
});

test('delay makes the caller wait', async () => {
  const { failpoint, clock } = armed('database.before_commit=delay:100');
  let isOver = false;
  const waiting = failpoint('database.before_commit')!.then(() => (isOver = true));
  clock.advance(99);
  await Promise.resolve();
  expect(isOver).toBe(false);
  clock.advance(1);
  await waiting;
});

test('two rules of one failpoint act in their order', async () => {
  const { failpoint, clock, lines } = armed('relay.after_read=delay:5@1; relay.after_read=throw@2');
  const waiting = failpoint('relay.after_read');
  clock.advance(5);
  await waiting;
  expect(() => failpoint('relay.after_read')).toThrow('failpoint relay.after_read');
  expect(lines.map((line) => line.split(': ')[1])).toEqual(['delay at hit 1', 'throw at hit 2']);
});
