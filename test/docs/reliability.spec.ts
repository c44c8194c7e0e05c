// Checks that docs/reliability.md tells the truth about where each fault is tested: the files exist, and have the tests that it quotes.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/reliability.md'), 'utf8');

/** Rows of the table of faults: number, fault, what happens, where it is tested. */
const rows = page
  .split('\n')
  .filter((line) => /^\| F\d+ /.test(line))
  .map((line) => line.split('|').map((cell) => cell.trim()))
  .map(([, fault, name, outcome, tested]) => ({ fault: fault!, name: name!, outcome: outcome!, tested: tested! }));

/** Any file of a folder that the page names in backticks. */
const files = [...new Set([...page.matchAll(/`((?:apps|libs|test|deploy)\/[^`\s]+)`/g)].map(([, file]) => file!))];

/** A file in backticks, and the titles in quotation marks behind it: `file` “title”, “title”. */
const quoted = [...page.matchAll(/`((?:apps|libs|test)\/[^`\s]+\.ts)`((?:,? “[^”]+”)+)/g)].flatMap(([, file, titles]) =>
  [...titles!.matchAll(/“([^”]+)”/g)].map(([, title]): [string, string] => [file!, title!]),
);

/** Source text as its reader sees it: quotes inside quotes and line breaks of long tables don't count. */
const plain = (text: string): string => text.replaceAll('\\', '').replaceAll(/\s+/g, ' ');

describe('docs/reliability.md', () => {
  it('has a row for each fault, F1 to F30, that says what happens and where it is shown', () => {
    expect(rows.map(({ fault }) => fault)).toEqual(Array.from({ length: 30 }, (_, index) => `F${index + 1}`));
    for (const { fault, name, outcome, tested } of rows) {
      expect(
        [name, outcome, tested].every((cell) => cell.length > 0),
        fault,
      ).toBe(true);
      expect(tested, fault).toMatch(/`(?:(?:apps|libs|test)\/\S+|npm run chaos)`|not covered/);
    }
  });

  it.each(files)('names %s, which is there', (file) => {
    expect(existsSync(join(ROOT, file))).toBe(true);
  });

  it.each(quoted)('quotes from %s: %s', (file, title) => {
    expect(plain(readFileSync(join(ROOT, file), 'utf8'))).toContain(title);
  });

  it('quotes at least one test for every file of tests that it names', () => {
    const named = files.filter((file) => file.endsWith('.spec.ts'));
    expect(named.filter((file) => !quoted.some(([one]) => one === file))).toEqual([]);
  });
});
