// The deadlines of many attempts with one timer for all that have the same time: a timer each, and how to cancel it, is half a kB.
import type { Clock } from '#clock';

export interface Limited {
  /** By the monotonic clock. */
  readonly startedAt: number;
  stop(errorClass: 'timeout'): void;
}

/** Attempts in flight that have equal time, in the order in which they began: the first one's deadline is the next. */
interface Group {
  members: Set<Limited>;
  cancelTimer: () => void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #groups = new Map<number, Group>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Stops `member`, which starts now, when `timeoutMs` have passed, unless it leaves before. */
  join(timeoutMs: number, member: Limited): void {
    const group = this.#groups.get(timeoutMs);
    if (group !== undefined) group.members.add(member);
    else this.#groups.set(timeoutMs, this.#watched(timeoutMs, new Set([member]), member));
  }

  leave(timeoutMs: number, member: Limited): void {
    const group = this.#groups.get(timeoutMs);
    if (!group?.members.delete(member) || group.members.size > 0) return;
    group.cancelTimer();
    this.#groups.delete(timeoutMs);
  }

  #watched(timeoutMs: number, members: Set<Limited>, first: Limited): Group {
    const delayMs = first.startedAt + timeoutMs - this.#clock.monotonic();
    return { members, cancelTimer: this.#clock.schedule(delayMs, () => this.#check(timeoutMs, members)) };
  }

  /** As a rule all that were there when the timer was set have left by now: then it is set for the first of those that came since. */
  #check(timeoutMs: number, members: Set<Limited>): void {
    const lateSince = this.#clock.monotonic() - timeoutMs;
    for (const member of members) {
      if (member.startedAt > lateSince) {
        this.#groups.set(timeoutMs, this.#watched(timeoutMs, members, member));
        return;
      }
      members.delete(member);
      // After a stall of this process timers come first: an answer that lies in the socket is read before it is given up.
      setImmediate(() => member.stop('timeout'));
    }
    this.#groups.delete(timeoutMs);
  }
}
