// Judges a history folder by all checks. Knows nothing of the product but its public contract.
import { type CheckName, type Check, checks } from './checks.ts';
import { type CheckResult, Findings } from './findings.ts';
import { loadFacts } from './load-facts.ts';

export interface Verdict {
  checks: Record<CheckName, CheckResult>;
  /** No check failed. What could not be checked says so, and why. */
  passed: boolean;
}

/** Throws BrokenHistory for a folder that holds no history, or one that can't be read. */
export async function checkHistory(folder: string): Promise<Verdict> {
  const facts = await loadFacts(folder);
  const results: [string, CheckResult][] = [];
  for (const [name, { title, find }] of Object.entries<Check>(checks)) {
    const findings = new Findings();
    await find(facts, findings);
    results.push([name, findings.result(title)]);
  }
  return {
    checks: Object.fromEntries(results) as Verdict['checks'],
    passed: results.every(([, { verdict }]) => verdict !== 'fail'),
  };
}
