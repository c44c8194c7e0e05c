// Checks that the checked-in payload types are those of the schemas.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { generatePayloadTypes } from './generate.ts';

test('payloads.ts is what the schemas say: run libs/events/generate.ts after changing one', async () => {
  const checkedIn = await readFile(new URL('./src/payloads.ts', import.meta.url), 'utf8');
  expect(checkedIn).toBe(await generatePayloadTypes());
});
