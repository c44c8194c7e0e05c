// The two HTTP APIs that the demo calls: Waybill's status service and the sample domain service.
import { setTimeout as delay } from 'node:timers/promises';
import { DemoFault } from './demo-fault.ts';

const ANSWER_WITHIN_MS = 10_000;

/** Calls a JSON API; throws a DemoFault that holds the answer unless the status is 2xx. */
async function call<T>(request: {
  method: string;
  url: string;
  token?: string;
  body?: unknown;
  signal: AbortSignal;
}): Promise<T> {
  const { method, url, token, body, signal } = request;
  const response = await fetch(url, {
    method,
    headers: {
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    body: body === undefined ? null : JSON.stringify(body),
    signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WITHIN_MS)]),
  });
  const text = await response.text();
  if (!response.ok) throw new DemoFault(`${method} ${url} answered ${response.status}: ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as T;
}

export interface NewEndpoint {
  url: string;
  format: string;
  description: string;
  eventTypes?: readonly string[];
  initialDelayMs?: number;
  maxDelayMs?: number;
  maxRetries?: number;
}

/** The fields of a lane that the demo shows. */
export interface BlockedLane {
  endpointId: string;
  streamId: string;
  state: 'open' | 'parked' | 'halted';
  headSequence: number | null;
  depth: number;
  attempts: number;
  nextAttemptAt: string | null;
  lastErrorClass: string | null;
  reason: string | null;
}

/** The status service, with the demo's token. */
export class StatusApi {
  readonly address: string;
  readonly #token: string;
  readonly #signal: AbortSignal;

  constructor(address: string, token: string, signal: AbortSignal) {
    this.address = address;
    this.#token = token;
    this.#signal = signal;
  }

  /** The same, after the demo's own signal has ended everything else. */
  withSignal(signal: AbortSignal): StatusApi {
    return new StatusApi(this.address, this.#token, signal);
  }

  putTenant(tenantId: string, name: string): Promise<unknown> {
    return this.#call('PUT', `/v1/tenants/${tenantId}`, { name });
  }

  createEndpoint(tenantId: string, endpoint: NewEndpoint): Promise<{ id: string; secret: string }> {
    return this.#call('POST', `/v1/tenants/${tenantId}/endpoints`, endpoint);
  }

  /** Endpoints of an earlier demo would be called for what they have missed. */
  async deleteEndpoints(tenantId: string): Promise<void> {
    const { items } = await this.#call<{ items: { id: string }[] }>(
      'GET',
      `/v1/tenants/${tenantId}/endpoints?limit=200`,
    );
    for (const { id } of items) await this.#call('DELETE', `/v1/endpoints/${id}`);
  }

  async findBlockedLanes(tenantId: string): Promise<BlockedLane[]> {
    return (await this.#call<{ items: BlockedLane[] }>('GET', `/v1/lanes?tenantId=${tenantId}&limit=200`)).items;
  }

  #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    return call<T>({ method, url: this.address + path, token: this.#token, body, signal: this.#signal });
  }
}

/** The sample domain service. */
export class DomainService {
  readonly address: string;
  readonly #signal: AbortSignal;

  constructor(address: string, signal: AbortSignal) {
    this.address = address;
    this.#signal = signal;
  }

  /** Returns its id, the stream of its events. */
  async openApplication(tenantId: string, applicant: string): Promise<string> {
    return (await this.#post<{ id: string }>('/applications', { tenantId, applicant })).id;
  }

  async orderCard(tenantId: string, userId: string): Promise<string> {
    return (await this.#post<{ id: string }>('/cards', { tenantId, userId })).id;
  }

  /** Returns the id of the event that was committed with it. */
  async takeStep(things: 'applications' | 'cards', id: string, step: string): Promise<string | null> {
    return (await this.#post<{ eventId: string | null }>(`/${things}/${id}/${step}`)).eventId;
  }

  #post<T>(path: string, body?: unknown): Promise<T> {
    return call<T>({ method: 'POST', url: this.address + path, body, signal: this.#signal });
  }
}

/** Null when the process behind a management port says that it is ready; otherwise what it says instead. */
export async function findUnreadiness(port: number, signal: AbortSignal): Promise<string | null> {
  try {
    const timeout = AbortSignal.timeout(2_000);
    const response = await fetch(`http://127.0.0.1:${port}/health/ready`, {
      signal: AbortSignal.any([signal, timeout]),
    });
    const text = await response.text();
    return response.ok ? null : text;
  } catch {
    return 'no answer';
  }
}

/** Resolves when the process is ready; its reasons end up in the fault when it never is. */
export async function untilReady(name: string, port: number, options: { withinMs: number; signal: AbortSignal }) {
  const { withinMs, signal } = options;
  let reasons: string | null = 'no answer';
  for (const until = performance.now() + withinMs; performance.now() < until;) {
    reasons = await findUnreadiness(port, signal);
    if (reasons === null) return;
    signal.throwIfAborted();
    await delay(50);
  }
  throw new DemoFault(`${name} is not ready after ${withinMs / 1_000} s: ${reasons}`);
}
