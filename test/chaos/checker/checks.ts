// The table of checks, each with the sentence that says what it finds.
import { findBackwardRecords } from './records.ts';
import { findBadSignatures } from './signatures.ts';
import { findBadTiming } from './schedule.ts';
import { findChangedIdentity } from './identity.ts';
import { findDisorder, findGaps, findPrematureStarts } from './order.ts';
import { findDuplicates } from './duplicates.ts';
import type { Facts } from './facts.ts';
import type { Findings } from './findings.ts';
import { findLeaks } from './secrecy.ts';
import { findLost } from './lost.ts';
import { findPhantoms } from './phantom.ts';
import { findSlowLanes } from './isolation.ts';
import { findSlowRecoveries } from './recovery.ts';
import { findUntruths } from './truth.ts';
import { findWrongCounters } from './counters.ts';

export interface Check {
  title: string;
  /** Adds what it finds; throws only for a history that is none. */
  find(facts: Facts, findings: Findings): void | Promise<void>;
}

export const checks = {
  C1: { title: 'lost: committed, but not at its end', find: findLost },
  C2: { title: 'phantom: delivered, but never committed', find: findPhantoms },
  C3: { title: 'order: first successes of a lane not in sequence order', find: findDisorder },
  C4: { title: 'gaps: successes of a lane not 1, 2, 3 …', find: findGaps },
  C5: { title: 'premature start: begun before its predecessor had ended', find: findPrematureStarts },
  C6: { title: 'identity: id, body or sequence differs', find: findChangedIdentity },
  C7: { title: 'signature: invalid, missing or old', find: findBadSignatures },
  C8: { title: 'duplicates: by cause, none without a fault', find: findDuplicates },
  C9: { title: 'truth: a record disagrees with the receiver', find: findUntruths },
  C10: { title: 'schedule: a retry too early or too late', find: findBadTiming },
  C11: { title: 'isolation: a healthy lane slowed down', find: findSlowLanes },
  C12: { title: 'state machine: a record went backwards', find: findBackwardRecords },
  C13: { title: 'recovery: too long after a fault', find: findSlowRecoveries },
  C14: { title: 'secrecy: a secret in the open', find: findLeaks },
  C15: { title: 'metrics: counters disagree with the history', find: findWrongCounters },
} satisfies Record<string, Check>;

export type CheckName = keyof typeof checks;
