// The endpoints that this process has met, kept in line with their configuration.
import { EndpointState } from './endpoint-state.ts';
import type { EndpointSource } from './ports.ts';

export class EndpointRegistry {
  readonly #source: EndpointSource;
  readonly #withBreaker: boolean;
  readonly #states = new Map<string, EndpointState>();

  constructor(source: EndpointSource, withBreaker: boolean) {
    this.#source = source;
    this.#withBreaker = withBreaker;
  }

  find(id: string): EndpointState | undefined {
    return this.#states.get(id);
  }

  /** Only after `load`. */
  get(id: string): EndpointState {
    const state = this.#states.get(id);
    if (!state) throw new Error(`endpoint ${id} was not loaded`);
    return state;
  }

  /** Reads those of `ids` that are unknown; the database decides what does not exist. */
  async load(ids: Iterable<string>): Promise<void> {
    const unknown = [...new Set(ids)].filter((id) => !this.#states.has(id));
    if (unknown.length === 0) return;
    const policies = new Map((await this.#source.findPolicies(unknown)).map((policy) => [policy.id, policy]));
    for (const id of unknown) {
      if (!this.#states.has(id))
        this.#states.set(id, new EndpointState(id, policies.get(id) ?? null, this.#withBreaker));
    }
  }

  /** Takes over recent changes. Returns the endpoints whose closed or deleted state may have changed. */
  async refresh(): Promise<EndpointState[]> {
    const known = (id: string) => {
      const state = this.#states.get(id);
      // One that nobody here has met is read when it is met.
      return state ? (state.policy?.revision ?? -1) : Number.NaN;
    };
    const changed: EndpointState[] = [];
    for (const policy of await this.#source.findChanged(known)) {
      const state = this.#states.get(policy.id);
      if (!state || state.policy?.revision === policy.revision) continue;
      state.policy = policy;
      // Whatever was wrong may be mended: let the next lane find out.
      state.breaker.reset();
      changed.push(state);
    }
    return changed;
  }

  pause(id: string, reason: string): Promise<void> {
    return this.#source.pause(id, reason);
  }

  get bufferedDeliveries(): number {
    let buffered = 0;
    for (const state of this.#states.values()) buffered += state.buffered;
    return buffered;
  }

  closed(now: number): string[] {
    return [...this.#states.values()].filter((state) => state.isClosed(now)).map((state) => state.id);
  }

  /** Endpoints behind an open breaker whose pause is over. */
  dueForProbe(now: number): EndpointState[] {
    return [...this.#states.values()].filter(
      (state) => !state.isPaused && state.breaker.openUntil !== null && now >= state.breaker.openUntil,
    );
  }
}
