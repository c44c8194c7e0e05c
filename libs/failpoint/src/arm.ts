// What an armed failpoint does when the program comes by: counts, says so on one line, and acts.
import type { FailpointName } from './names.ts';
import type { Action, Rule } from './rules.ts';

export type Failpoint = (name: FailpointName) => Promise<void> | undefined;

/** What an armed failpoint needs of its process. */
export interface ProcessPort {
  say(line: string): void;
  signal(name: 'SIGKILL' | 'SIGSTOP'): void;
  schedule(ms: number, run: () => void): void;
}

/** Thrown by the action `throw`: to the caller, an outside part that failed. */
export class FailpointFault extends Error {
  readonly code = 'failpoint';
  readonly retryable = true;
}

interface Armed extends Rule {
  hits: number;
}

/** A function that counts the hits of each rule and acts on those that it names. The order of rules is the order of actions. */
export function armFailpoints(rules: readonly Rule[], port: ProcessPort): Failpoint {
  const armed = Map.groupBy(
    rules.map((rule): Armed => ({ ...rule, hits: 0 })),
    ({ name }) => name,
  );
  return (name) => {
    let waiting: Promise<void> | undefined;
    for (const rule of armed.get(name) ?? []) {
      rule.hits++;
      if (rule.hits < rule.hit || (rule.hits > rule.hit && !rule.isRepeated)) continue;
      port.say(`failpoint ${name}: ${rule.action.kind} at hit ${rule.hits}`);
      waiting = act(name, rule.action, port) ?? waiting;
    }
    return waiting;
  };
}

function act(name: FailpointName, action: Action, port: ProcessPort): Promise<void> | undefined {
  switch (action.kind) {
    case 'exit':
    case 'stop': {
      const signal = action.kind === 'exit' ? 'SIGKILL' : 'SIGSTOP';
      if (action.afterMs === 0) port.signal(signal);
      else port.schedule(action.afterMs, () => port.signal(signal));
      return undefined;
    }
    case 'throw':
      throw new FailpointFault(`failpoint ${name}`);
    case 'delay':
      return new Promise((resolve) => port.schedule(action.delayMs, resolve));
  }
}
