// Checks the table that documents every setting.
import { expect, test } from 'vitest';
import { z } from 'zod';
import { configReference } from './config-reference.ts';
import { knownNames, log, management } from './fragments.ts';
import { editDistance } from './nearest.ts';

test('has a row for every known variable, and each variable once', () => {
  const names = configReference().matchAll(/^\| `(\w+)` \|/gm);
  expect([...names].map((match) => match[1])).toEqual(knownNames);
  expect(new Set(knownNames).size).toBe(knownNames.length);
});

test('shows defaults, and who reads a variable when it is told the apps', () => {
  const table = configReference({
    'status-service': z.object({ log, management: management(9100) }),
    'outbox-relay': z.object({ management: management(9101) }),
  });
  expect(table).toContain('| `LOG_LEVEL` | `info` | JSON logs on stdout from this level up. | status-service |');
  expect(table).toMatch(/`MANAGEMENT_PORT` \| `9100` status-service, `9101` outbox-relay \|.*\| all \|/);
});

test.each([
  ['', 'abc', 3],
  ['kitten', 'sitting', 3],
  ['same', 'same', 0],
])('the edit distance of %j and %j is %i', (from, to, distance) => {
  expect(editDistance(from, to)).toBe(distance);
});
