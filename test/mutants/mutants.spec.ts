// The list of broken builds fits the code: seen in the quick gate, long before the builds are played.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { mutants } from './mutants.ts';

const root = new URL('../../', import.meta.url);

it.each(mutants.map(({ name, edits }) => [name, edits] as const))(
  '%s: each text stands once in its file',
  (_, edits) => {
    for (const { file, from } of edits) expect(readFileSync(new URL(file, root), 'utf8').split(from)).toHaveLength(2);
  },
);
