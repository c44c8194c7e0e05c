// Services are started with the options of package.json's scripts.
import { expect, test } from 'vitest';
import { serviceCommand } from './service-command.ts';

test.each(['migrate', 'start:outbox-relay', 'start:delivery-consumer', 'start:status-service'])(
  'reads the command of %s',
  (script) => {
    const command = serviceCommand(script);
    expect(command.file).toBe(process.execPath);
    expect(command.args.at(-1)).toMatch(/dist\/apps\/.*\/main\.js$/);
    expect(command.args).toContain('--disable-warning=TimeoutNegativeWarning');
  },
);

test('gives the consumer more threads for name look-ups', () => {
  expect(serviceCommand('start:delivery-consumer').env).toMatchObject({ UV_THREADPOOL_SIZE: '32' });
});

test('names a script that has another form', () => {
  expect(() => serviceCommand('check')).toThrow('package.json: the script check must read');
});

test('arms failpoints by the command line, when asked', () => {
  expect(serviceCommand('start:outbox-relay').args).not.toContain('--conditions=failpoints');
  expect(serviceCommand('start:outbox-relay', { isArmed: true }).args[0]).toBe('--conditions=failpoints');
});
