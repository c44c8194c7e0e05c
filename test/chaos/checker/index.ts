// The checker's front door.
export { checkHistory, type Verdict } from './check-history.ts';
export { type CheckName, checks } from './checks.ts';
export type { CheckResult, Violation } from './findings.ts';
export type * from './history.ts';
export { BrokenHistory } from './read-lines.ts';
export { summarise } from './summary.ts';
