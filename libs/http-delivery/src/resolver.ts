// Names to addresses: one question at a time per name, and its answer for a few seconds.
import { lookup } from 'node:dns/promises';
import type { Clock } from '#clock';

/** All addresses of a name. Rejects when there are none. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** Asks the operating system, so that /etc/hosts and the container platform's search domains count. */
export const systemResolve: Resolve = async (host) => {
  const answers = await lookup(host, { all: true });
  return answers.map((answer) => answer.address);
};

// Short enough to follow a failover. It does not weaken the guard: every use vets the addresses again, and connects only to those.
const ANSWER_LIFETIME_MS = 5_000;
const MOST_ANSWERS = 2_048;

/**
 * Shares answers and, above all, questions: getaddrinfo blocks one of libuv's few threads for as long as a dead name server is silent,
 * so 32 connections to one bad name must not take 32 turns. Failures are not kept.
 */
export function sharedResolve(resolve: Resolve, clock: Clock): Resolve {
  const questions = new Map<string, Promise<readonly string[]>>();
  const answers = new Map<string, { addresses: readonly string[]; until: number }>();

  async function ask(host: string): Promise<readonly string[]> {
    try {
      const addresses = await resolve(host);
      for (const oldest of answers.keys()) {
        if (answers.size < MOST_ANSWERS) break;
        answers.delete(oldest);
      }
      if (addresses.length > 0) answers.set(host, { addresses, until: clock.monotonic() + ANSWER_LIFETIME_MS });
      return addresses;
    } finally {
      questions.delete(host);
    }
  }

  return (host) => {
    const answer = answers.get(host);
    if (answer !== undefined && clock.monotonic() < answer.until) return Promise.resolve(answer.addresses);
    answers.delete(host);
    const asked = questions.get(host) ?? ask(host);
    questions.set(host, asked);
    return asked;
  };
}
