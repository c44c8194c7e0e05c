// Who may send next: round-robin over endpoints, then over lanes, within the global, tenant and endpoint limits.
import { Fifo, type Lane } from '#lane';
import type { EndpointState } from './endpoint-state.ts';

export interface SchedulerLimits {
  maxInFlight: number;
  maxInFlightPerTenant: number;
}

/** One request in flight, or a page being loaded for one. */
export interface Slot {
  endpoint: EndpointState;
  lane: Lane;
  isRetry: boolean;
}

interface Tenant {
  inFlight: number;
  /** Endpoints that were passed over because the tenant was at its limit. */
  passedOver: Set<EndpointState>;
}

export class Scheduler {
  readonly #limits: SchedulerLimits;
  readonly #ring = new Fifo<EndpointState>();
  readonly #tenants = new Map<string, Tenant>();
  #inFlight = 0;

  constructor(limits: SchedulerLimits) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Puts a lane with work at the end of its endpoint's queue. */
  add(endpoint: EndpointState, lane: Lane): void {
    (lane.mode === 'open' ? endpoint.fresh : endpoint.retries).push(lane);
    this.#enqueue(endpoint);
  }

  /** Takes the next lane and a slot for it, or undefined when there is no work within the limits. */
  next(): Slot | undefined {
    while (this.#inFlight < this.#limits.maxInFlight) {
      const endpoint = this.#ring.shift();
      if (!endpoint) return undefined;
      endpoint.isQueued = false;
      const slot = this.#take(endpoint);
      if (!slot) continue;
      this.#enqueue(endpoint);
      return slot;
    }
    return undefined;
  }

  release({ endpoint, lane, isRetry }: Slot): void {
    this.#inFlight--;
    endpoint.inFlight--;
    if (isRetry) endpoint.retriesInFlight--;
    const tenant = this.#tenants.get(lane.tenantId)!;
    tenant.inFlight--;
    if (tenant.passedOver.size > 0) {
      for (const other of tenant.passedOver) this.#enqueue(other);
      tenant.passedOver.clear();
    }
    if (tenant.inFlight === 0) this.#tenants.delete(lane.tenantId);
    this.#enqueue(endpoint);
  }

  #enqueue(endpoint: EndpointState): void {
    if (endpoint.isQueued || endpoint.fresh.size + endpoint.retries.size === 0) return;
    endpoint.isQueued = true;
    this.#ring.push(endpoint);
  }

  #take(endpoint: EndpointState): Slot | undefined {
    if (endpoint.inFlight >= endpoint.maxConcurrency) return undefined;
    const isRetry = this.#isRetryNext(endpoint);
    const queue = isRetry ? endpoint.retries : endpoint.fresh;
    const lane = queue.peek();
    if (!lane) return undefined;
    const tenant = this.#tenantOf(lane.tenantId);
    if (tenant.inFlight >= this.#limits.maxInFlightPerTenant) {
      tenant.passedOver.add(endpoint);
      return undefined;
    }
    queue.shift();
    endpoint.isRetryTurn = !isRetry;
    tenant.inFlight++;
    this.#inFlight++;
    endpoint.inFlight++;
    if (isRetry) endpoint.retriesInFlight++;
    return { endpoint, lane, isRetry };
  }

  #isRetryNext(endpoint: EndpointState): boolean {
    if (endpoint.retries.size === 0 || endpoint.retriesInFlight >= endpoint.maxRetriesInFlight) return false;
    return endpoint.fresh.size === 0 || endpoint.isRetryTurn;
  }

  #tenantOf(tenantId: string): Tenant {
    let tenant = this.#tenants.get(tenantId);
    if (!tenant) this.#tenants.set(tenantId, (tenant = { inFlight: 0, passedOver: new Set() }));
    return tenant;
  }
}
