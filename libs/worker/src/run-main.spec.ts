// Checks what a process says and with which code it ends when main throws.
import { expect, test } from 'vitest';
import { type ExitPort, runMain } from './run-main.ts';

async function codeAndWords(error: unknown) {
  let words = '';
  const port: ExitPort = { stderr: { write: (text) => void (words += text) }, exit: () => undefined };
  await runMain(() => Promise.reject(error), port);
  return { exitCode: port.exitCode, words };
}

test('prints the lines of a fault that brings its own exit code, without a stack', async () => {
  const fault = Object.assign(new Error('HTTP_PORT: must be a port\nLOG_LEVEL: must be …'), { exitCode: 2 });
  expect(await codeAndWords(fault)).toEqual({
    exitCode: 2,
    words: 'HTTP_PORT: must be a port\nLOG_LEVEL: must be …\n',
  });
});

test('prints the stack of any other fault and ends with 1', async () => {
  const { exitCode, words } = await codeAndWords(new Error('boom'));
  expect(exitCode).toBe(1);
  expect(words).toContain('run-main.spec.ts');
});

test('leaves the exit code alone when main succeeds', async () => {
  const port: ExitPort = { stderr: { write: () => expect.unreachable() }, exit: () => expect.unreachable() };
  await runMain(() => Promise.resolve(), port);
  expect(port.exitCode).toBeUndefined();
});
