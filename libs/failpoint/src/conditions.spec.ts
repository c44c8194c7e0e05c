// Only the command line arms failpoints: what a started Node makes of #failpoint and of an environment full of them.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const PROGRAM = `
  import { loadConfig } from '#config';
  import { failpoint } from '#failpoint';
  import { z } from 'zod';
  const fault = (() => { try { loadConfig('some-app', z.object({})); return null; } catch (error) { return error; } })();
  await failpoint('relay.after_read');
  console.log('alive', fault?.exitCode ?? 'no fault', fault?.message ?? '');
`;

function run(args: string[], failpoints: string, env: Record<string, string> = {}) {
  const node = ['--conditions=source', ...args, '--input-type=module', '--eval', PROGRAM];
  const { signal, status, stdout, stderr } = spawnSync(process.execPath, node, {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    env: { ...env, WAYBILL_FAILPOINTS: failpoints },
    encoding: 'utf8',
  });
  return { signal, status, stdout, stderr };
}

test('a production start does nothing, and its configuration refuses the variable with exit code 2', () => {
  const { signal, stdout } = run([], 'relay.after_read=exit');
  expect(signal).toBeNull();
  expect(stdout).toMatch(/^alive 2 WAYBILL_FAILPOINTS: is not a setting/);
});

test('NODE_OPTIONS, which is environment too, arms nothing', () => {
  const { stdout } = run([], 'relay.after_read=exit', { NODE_OPTIONS: '--conditions=failpoints' });
  expect(stdout).toMatch(/^alive 2 WAYBILL_FAILPOINTS: is not a setting/);
});

test('an armed start obeys, says so, and has no quarrel with its configuration', () => {
  expect(run(['--conditions=failpoints'], 'relay.after_read=delay:1')).toEqual({
    signal: null,
    status: 0,
    stdout: 'alive no fault \n',
    stderr: 'failpoint relay.after_read: delay at hit 1\n',
  });
  expect(run(['--conditions=failpoints'], 'relay.after_read=exit')).toEqual({
    signal: 'SIGKILL',
    status: null,
    stdout: '',
    stderr: 'failpoint relay.after_read: exit at hit 1\n',
  });
});

test('an armed start with a faulty text ends with exit code 2 and a line per fault', () => {
  const { status, stderr } = run(['--conditions=failpoints'], 'relay.after_raed=exit; b');
  expect(status).toBe(2);
  expect(stderr.split('\n').filter((line) => line.startsWith('WAYBILL_FAILPOINTS: '))).toHaveLength(2);
});

test('the form that production runs reads no environment', () => {
  const reading = `
    const read = [];
    process.env = new Proxy({}, { get: (_, name) => void read.push(name) });
    const { failpoint } = await import('#failpoint');
    console.log(JSON.stringify([failpoint('relay.after_read') ?? null, read.filter((name) => name.startsWith('WAYBILL'))]));
  `;
  const { stdout } = spawnSync(process.execPath, ['--conditions=source', '--input-type=module', '--eval', reading], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
    encoding: 'utf8',
  });
  expect(stdout).toBe('[null,[]]\n');
});
