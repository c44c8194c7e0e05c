// Loaded before everything else (`node --import`): breaks the modules of one mutant while they are read, and nothing on disk.
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Edit } from './mutant.ts';
import { mutants } from './mutants.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const name = process.argv[2];
const mutant = mutants.find((one) => one.name === name);
if (!mutant && name !== 'none') throw new Error(`there is no mutant ${name}`);

registerHooks({
  load(url, context, next) {
    const module = next(url, context);
    const file = url.startsWith('file:') ? fileURLToPath(url).slice(root.length) : '';
    const edits = mutant?.edits.filter((edit) => edit.file === file) ?? [];
    return edits.length === 0 ? module : { ...module, source: broken(readFileSync(new URL(url), 'utf8'), edits) };
  },
});

/** A text that is not there exactly once is an error: the list must not rot. */
function broken(source: string, edits: readonly Edit[]): string {
  let text = source;
  for (const { file, from, to } of edits) {
    const parts = text.split(from);
    if (parts.length !== 2) throw new Error(`${name}: ${file} has this ${parts.length - 1} times: ${from}`);
    text = parts.join(to);
  }
  return text;
}
