// Checks start and stop order, the second signal, and what a service that misbehaves does to the others.
import { EventEmitter } from 'node:events';
import { deferred, FakeClock } from '#clock';
import { expect, test } from 'vitest';
import { runUntilSignal, type Service } from './run-until-signal.ts';

function setUp() {
  const events: string[] = [];
  const clock = new FakeClock();
  const emitter = new EventEmitter();
  const port = Object.assign(emitter, { exit: (code: number) => void events.push(`exit ${code}`) });
  const log = (_fields: object, message: string) => void events.push(message);
  const service = (name: string, more: Partial<Service> = {}): Service => ({
    name,
    start: () => void events.push(`+${name}`),
    stop: () => void events.push(`-${name}`),
    ...more,
  });
  const run = (services: Service[]) =>
    runUntilSignal(services, {
      logger: { info: log, warn: log, error: log },
      process: port,
      clock,
      stopTimeoutMs: 1_000,
    });
  const send = (signal: string) => emitter.emit(signal);
  return { events, clock, emitter, service, run, send };
}

test('starts in order, stops in the opposite order on SIGTERM, and leaves no listener or timer', async () => {
  const { events, clock, emitter, service, run, send } = setUp();
  const done = run([service('pool'), service('loop')]);
  await clock.advanceAsync(0);
  send('SIGTERM');
  await done;
  expect(events).toEqual(['+pool', '+loop', 'started', 'stopping', '-loop', '-pool', 'stopped']);
  expect([emitter.eventNames(), clock.pending]).toEqual([[], 0]);
});

test('leaves at once on a second signal', async () => {
  const { events, clock, service, run, send } = setUp();
  const gate = deferred();
  const done = run([service('consumer', { stop: () => gate.promise })]);
  await clock.advanceAsync(0);
  send('SIGINT');
  await clock.advanceAsync(0);
  send('SIGINT');
  expect(events.at(-1)).toBe('exit 130');
  gate.resolve();
  await done;
});

test('leaves with code 1 when a service does not stop in time', async () => {
  const { events, clock, service, run, send } = setUp();
  const gate = deferred();
  const done = run([service('consumer', { stop: () => gate.promise })]);
  await clock.advanceAsync(0);
  send('SIGTERM');
  await clock.advanceAsync(1_000);
  expect(events.slice(-2)).toEqual(['did not stop in time; leaving', 'exit 1']);
  gate.resolve();
  await done;
});

test('stops the others when one fails to stop', async () => {
  const { events, clock, service, run, send } = setUp();
  const done = run([service('pool'), service('loop', { stop: () => Promise.reject(new Error('stuck')) })]);
  await clock.advanceAsync(0);
  send('SIGTERM');
  await done;
  expect(events.slice(-3)).toEqual(['failed to stop', '-pool', 'stopped']);
});

test('rejects with the fault of a failed start after stopping what was started', async () => {
  const { events, service, run } = setUp();
  const fault = new Error('EADDRINUSE');
  await expect(run([service('pool'), service('http', { start: () => Promise.reject(fault) })])).rejects.toBe(fault);
  expect(events).toEqual(['+pool', '-http', '-pool', 'stopped']);
});

test('cuts a start short on a signal, and starts no further service', async () => {
  const { events, clock, service, run, send } = setUp();
  const waiting = (signal: AbortSignal) =>
    new Promise<void>((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));
  const done = run([service('pool', { start: waiting }), service('loop')]);
  await clock.advanceAsync(0);
  send('SIGTERM');
  await done;
  expect(events).toEqual(['stopping', '-pool', 'stopped']);
});
