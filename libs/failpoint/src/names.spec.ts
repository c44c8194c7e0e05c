// Every failpoint of the table stands in the code, once, where the table says, and the code has no others.
import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { failpoints } from './names.ts';

test('the table and the calls in the code are the same', () => {
  const cwd = fileURLToPath(new URL('../../..', import.meta.url));
  const files = globSync('{apps,libs}/**/*.ts', { cwd }).filter(
    (file) => !file.endsWith('.spec.ts') && !file.startsWith('libs/failpoint/'),
  );
  const calls = files.flatMap((file) =>
    [...readFileSync(`${cwd}${file}`, 'utf8').matchAll(/\bfailpoint\(\s*(?:'([^']*)')?/g)].map(([, name]) => ({
      name,
      file,
    })),
  );
  const table = Object.entries(failpoints).map(([name, { file }]) => ({ name, file }));
  const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
    `${a.name}`.localeCompare(`${b.name}`);
  expect(calls.toSorted(byName)).toEqual(table.toSorted(byName));
});
