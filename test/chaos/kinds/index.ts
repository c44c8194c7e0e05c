// Every kind of fault, and which of them a run may use.
import { databases } from './databases.ts';
import type { FaultKind } from './kind.ts';
import { links } from './links.ts';
import { people } from './people.ts';
import { processes } from './processes.ts';
import { losses, servers } from './servers.ts';

export type { FaultKind };

export interface KindsOptions {
  brokers: 1 | 3;
  only: readonly string[] | null;
  topicLoss: boolean;
}

/** The kinds that a run may use. */
export function faultKinds({ brokers, only, topicLoss }: KindsOptions): FaultKind[] {
  const all = [...processes, ...(topicLoss ? losses : []), ...servers, ...databases, ...links, ...people];
  const possible =
    brokers === 3 ? all : all.filter((kind) => !kind.targets.some((target) => target.startsWith('broker')));
  return only === null ? possible : possible.filter(({ row }) => only.includes(row));
}

/** The rows of the fault matrix that a run can be narrowed to. */
export const faultRows: readonly string[] = [
  ...new Set(faultKinds({ brokers: 3, only: null, topicLoss: true }).map(({ row }) => row)),
];
