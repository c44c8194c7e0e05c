// Checks what a log line shows and, above all, what it does not.
import { expect, test } from 'vitest';
import { createLineLogger, createLogger } from './logger.ts';

function collect() {
  const lines: string[] = [];
  const logger = createLogger('outbox-relay', 'debug', { destination: { write: (line) => void lines.push(line) } });
  return { logger, lines, last: () => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown> };
}

test('writes one JSON object per line with level, time, service and message', () => {
  const { logger, lines, last } = collect();
  logger.info({ attempt: 2 }, 'delivered');
  expect(lines).toHaveLength(1);
  expect(last()).toMatchObject({ level: 'info', service: 'outbox-relay', attempt: 2, msg: 'delivered' });
  expect(last().time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

test('strikes out secrets, tokens, payloads and authentication headers, two objects deep', () => {
  const { logger, lines } = collect();
  const endpoint = { id: 'e1', secret: 'hunter2-hunter2', auth: { token: 'hunter2-token' } };
  logger.info({
    endpoint,
    payload: { a: 'hunter2' },
    headers: { Authorization: 'Bearer hunter2', 'X-Api-Key': 'hunter2' },
  });
  expect(lines[0]).not.toContain('hunter2');
  expect(lines[0]).toContain('"id":"e1"');
});

test('shows an error with code and causes, without the rows and parameters a database error carries', () => {
  const { logger, lines, last } = collect();
  const cause = Object.assign(new Error('connection lost'), { code: 'ECONNRESET' });
  const error = Object.assign(new Error('flush failed', { cause }), { code: '23505', detail: 'Key (name)=(Jo Smith)' });
  logger.error({ error }, 'flush failed');
  expect(lines[0]).not.toContain('Jo Smith');
  expect(last().error).toMatchObject({ message: 'flush failed', code: '23505', cause: { code: 'ECONNRESET' } });
});

test('survives an error that is its own cause', () => {
  const { logger, lines } = collect();
  const error = new Error('round');
  error.cause = error;
  logger.error({ error });
  expect(lines).toHaveLength(1);
});

test('keeps silent below its level', () => {
  const lines: string[] = [];
  createLogger('x', 'warn', { destination: { write: (line) => void lines.push(line) } }).info('no');
  expect(lines).toEqual([]);
});

test('writes the lines of attempts in the same shape', () => {
  const lines: string[] = [];
  const logger = createLineLogger('delivery-consumer', 'info', {
    destination: { write: (line) => void lines.push(line) },
  });
  logger.warn({ eventId: 'an "id"', attempt: 2, errorClass: undefined }, 'attempt');
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    {
      level: 'warn',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      service: 'delivery-consumer',
      pid: process.pid,
      eventId: 'an "id"',
      attempt: 2,
      msg: 'attempt',
    },
  ]);
});

test('leaves out attempts below the level', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  createLineLogger('delivery-consumer', 'warn', { destination }).info({ attempt: 1 }, 'attempt');
  createLineLogger('delivery-consumer', 'silent', { destination }).warn({ attempt: 1 }, 'attempt');
  expect(lines).toEqual([]);
});
