// The text of WAYBILL_FAILPOINTS: `name=action[:ms][@hit]`, joined by semicolons.
import { type FailpointName, failpoints, type Moment } from './names.ts';

/**
 * `exit` ends the process by SIGKILL, `stop` halts it by SIGSTOP until somebody sends SIGCONT; with `:ms` that much later, while
 * everything goes on. `throw` throws a retryable fault, `delay:ms` makes the caller wait.
 */
export type Action =
  { kind: 'exit' | 'stop'; afterMs: number } | { kind: 'throw' } | { kind: 'delay'; delayMs: number };

export interface Rule {
  name: FailpointName;
  action: Action;
  /** The first hit that counts, from 1. */
  hit: number;
  /** `@3+`: that hit and all later ones. `@3`: that one alone. Without `@`: all. */
  isRepeated: boolean;
}

export type Parsed = { ok: true; rules: Rule[] } | { ok: false; faults: string[] };

const ACTIONS = ['exit', 'stop', 'throw', 'delay'] as const;
const FORM = /^(?<name>[^=]*)=(?<action>[a-z]*)(?::(?<ms>\d+))?(?:@(?<hit>[1-9]\d*)(?<plus>\+?))?$/;

/** Every fault names what is wrong and, for a misspelt word, the nearest right one. */
export function parseFailpoints(text: string): Parsed {
  const parsed = text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseRule);
  const faults = parsed.filter((one) => typeof one === 'string');
  return faults.length > 0
    ? { ok: false, faults }
    : { ok: true, rules: parsed.filter((one): one is Rule => typeof one !== 'string') };
}

function parseRule(text: string): Rule | string {
  const { name = '', action: word = '', ms, hit, plus } = FORM.exec(text)?.groups ?? {};
  if (name === '') return `"${text}" must read name=action[:ms][@hit]`;
  if (!isName(name)) return `there is no failpoint ${name}; did you mean ${nearest(name, Object.keys(failpoints))}?`;
  const action = toAction(word, ms === undefined ? undefined : Number(ms));
  if (typeof action === 'string') return `${name}: ${action}`;
  const moment: Moment = failpoints[name];
  if (action.kind === 'delay' && moment.isSynchronous)
    return `${name}: stands in code that can't wait; use stop or exit`;
  return { name, action, hit: Number(hit ?? 1), isRepeated: hit === undefined || plus === '+' };
}

function toAction(word: string, ms: number | undefined): Action | string {
  switch (word) {
    case 'exit':
    case 'stop':
      return { kind: word, afterMs: ms ?? 0 };
    case 'throw':
      return ms === undefined ? { kind: word } : 'throw takes no time';
    case 'delay':
      return ms === undefined ? 'delay wants a time in ms, e.g. delay:500' : { kind: word, delayMs: ms };
    default:
      return `there is no action ${word}; did you mean ${nearest(word, ACTIONS)}?`;
  }
}

const isName = (name: string): name is FailpointName => Object.hasOwn(failpoints, name);

/** The candidate that shares the most pairs of neighbouring letters (Dice's coefficient): names here are long and of a kind. */
function nearest(word: string, candidates: readonly string[]): string {
  const scored = candidates.map((candidate) => ({ candidate, score: similarity(word, candidate) }));
  return scored.reduce((best, next) => (next.score > best.score ? next : best)).candidate;
}

function similarity(left: string, right: string): number {
  const [a, b] = [pairs(left), pairs(right)];
  return [...a].filter((pair) => b.has(pair)).length / Math.max(1, a.size + b.size);
}

function pairs(text: string): Set<string> {
  const letters = `^${text}$`;
  return new Set(Array.from({ length: letters.length - 1 }, (_unused, at) => letters.slice(at, at + 2)));
}
