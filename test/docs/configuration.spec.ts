import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { CONFIGURATION_FILE, configurationPage } from './configuration-reference.ts';

test('docs/configuration.md says what the settings are now', () => {
  const written = readFileSync(CONFIGURATION_FILE, 'utf8');
  expect(unaligned(written), 'run: node --conditions=source test/docs/configuration-reference.ts').toBe(
    unaligned(configurationPage()),
  );
});

/** Prettier lines up the columns of tables. */
const unaligned = (page: string) => page.replaceAll(/ {2,}/g, ' ').replaceAll(/-{3,}/g, '---');
