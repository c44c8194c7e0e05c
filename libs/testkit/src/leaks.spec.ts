// The leak check of the test kit.
import { createServer } from 'node:net';
import { expect, it } from 'vitest';
import { leakCheck, openResources, surplus } from './leaks.ts';

it('counts sockets, servers and child processes, not timers', () => {
  const counts = openResources(['TCPSocketWrap', 'Timeout', 'TCPSocketWrap', 'ProcessWrap']);
  expect(counts).toEqual(new Map([['TCPSocketWrap', 2], ['ProcessWrap', 1]])); // prettier-ignore
  expect(surplus(new Map([['TCPSocketWrap', 1]]), counts)).toBe('1 TCPSocketWrap, 1 ProcessWrap');
  expect(surplus(counts, counts)).toBe('');
});

it('finds a server that is still listening', async () => {
  const leaks = leakCheck();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  await expect(leaks.assertNone({ withinMs: 30 })).rejects.toThrow('left open: 1 TCPServerWrap');
  await new Promise((resolve) => server.close(resolve));
  await leaks.assertNone();
});
