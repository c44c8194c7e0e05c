// Many exchanges under one AbortSignal with a single listener: a listener each would cost more than the rest of sending.
export interface Stoppable {
  stop(errorClass: 'aborted'): void;
}

export class AbortGroups {
  readonly #groups = new WeakMap<AbortSignal, Set<Stoppable>>();

  /** Stops `member` when the signal aborts, as long as it is in the set that this returns; delete it there when it is done. */
  join(signal: AbortSignal, member: Stoppable): Set<Stoppable> {
    let group = this.#groups.get(signal);
    if (group === undefined) {
      const members = new Set<Stoppable>();
      group = members;
      this.#groups.set(signal, group);
      signal.addEventListener('abort', () => members.forEach((each) => each.stop('aborted')), { once: true });
    }
    return group.add(member);
  }
}
