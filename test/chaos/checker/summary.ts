// A verdict as text for people: one line a check, its figures, and the first violations of those that failed.
import type { Verdict } from './check-history.ts';
import type { CheckResult } from './findings.ts';

const SHOWN = 5;
const MARKS = { pass: 'pass', fail: 'FAIL', not_checked: '–' } as const;

export function summarise({ checks, passed }: Verdict): string {
  const lines = Object.entries(checks).flatMap(([name, check]) => [line(name, check), ...details(check)]);
  const failed = Object.entries(checks).flatMap(([name, { verdict }]) => (verdict === 'fail' ? [name] : []));
  return [...lines, '', passed ? 'Passed.' : `Failed: ${failed.join(', ')}.`, ''].join('\n');
}

const line = (name: string, { title, verdict, violationCount }: CheckResult) =>
  `${name.padEnd(4)}${MARKS[verdict].padEnd(5)}${title}${violationCount > 0 ? ` (${violationCount})` : ''}`;

function details({ reason, figures, violations, violationCount }: CheckResult): string[] {
  const lines = Object.entries(figures).map(([name, value]) => `${name} ${value ?? 'none'}`);
  const shown = violations.slice(0, SHOWN).map(({ message, about }) => `  ! ${message} ${JSON.stringify(about)}`);
  const rest = violationCount - shown.length;
  return [
    ...(reason === undefined ? [] : [`not checked: ${reason}`]),
    ...(lines.length === 0 ? [] : [lines.join(' · ')]),
    ...shown,
    ...(shown.length > 0 && rest > 0 ? [`  … and ${rest} more`] : []),
  ].map((text) => `         ${text}`);
}
