// Waits in tests: for a condition, with a bound and an error that says what did not happen.
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';

export interface UntilOptions {
  /** Bound in ms of real time; choose it for a busy machine, it costs nothing when all is well. */
  withinMs: number;
  /** What is waited for, as the end of "waited 5000 ms for …". */
  what: string;
  /** Pause between two looks; default 20 ms. */
  everyMs?: number;
}

/**
 * Looks again and again until `condition` gives something truthy, and resolves to that. A condition that throws counts
 * as "not yet"; its last fault, or its last value, is in the error when the time is up. A look that hangs ends too.
 */
export async function until<T>(condition: () => T | Promise<T>, options: UntilOptions): Promise<Truthy<T>> {
  const deadline = performance.now() + options.withinMs;
  let last: Look<T> = { value: undefined };
  for (;;) {
    last = await look(condition, deadline - performance.now());
    if ('value' in last && last.value) return last.value as Truthy<T>;
    if (performance.now() >= deadline) throw new Error(...complaint(options, last));
    await delay(options.everyMs ?? 20);
  }
}

export type Truthy<T> = Exclude<T, false | null | undefined | 0 | 0n | ''>;

type Look<T> = { value: T | undefined } | { fault: unknown } | { hung: true };

async function look<T>(condition: () => T | Promise<T>, withinMs: number): Promise<Look<T>> {
  const giveUp = new AbortController();
  const tooLong = delay(Math.max(withinMs, 1), { hung: true } as const, { signal: giveUp.signal });
  tooLong.catch(() => {}); // Aborted below, when the look was quicker.
  try {
    return await Promise.race([Promise.resolve(condition()).then((value) => ({ value })), tooLong]);
  } catch (fault) {
    return { fault };
  } finally {
    giveUp.abort();
  }
}

function complaint(options: UntilOptions, last: Look<unknown>): [string, ErrorOptions?] {
  const waited = `waited ${options.withinMs} ms for ${options.what}`;
  if ('hung' in last) return [`${waited}; the last look did not end`];
  if ('fault' in last) return [`${waited}; the last look failed: ${String(last.fault)}`, { cause: last.fault }];
  return [`${waited}; last seen: ${inspect(last.value, { depth: 2, breakLength: 120 })}`];
}
