// Who lives in the test world: tenants, their endpoints, and how the receiver treats each of them.
import type { Endpoint } from './checker/history.ts';

/** What the receiver does with one request. */
export type Answer =
  /** 200, 202 or 204. */
  | 'ok'
  /** Success after up to a second. */
  | 'slow'
  /** 201, which is a failure where only 200 counts. */
  | 'created'
  | 'fail'
  | 'refuse'
  /** 429 or 503 with Retry-After: 1 or 2 seconds. */
  | 'later'
  | 'gone'
  /** Not a byte until the sender gives up. */
  | 'hang'
  /** The connection is reset instead of an answer. */
  | 'reset'
  /** 200, half a body, and a reset. */
  | 'cut'
  /** 200, and the end of the connection before the body that was promised. */
  | 'close';

export interface Temper {
  /** Shares of requests; the rest is `ok`. */
  answers: Partial<Record<Answer, number>>;
  /** Fails everything for `forMs` out of every `everyMs`. */
  flaps?: { everyMs: number; forMs: number };
  /** This share of the streams is refused always, until everything is accepted. */
  stuckStreams?: number;
}

export interface Resident extends Pick<
  Endpoint,
  'format' | 'maxRetries' | 'timeoutMs' | 'successStatus' | 'onExhausted' | 'eventTypes'
> {
  tenantId: string;
  path: string;
  temper: Temper;
}

export const INITIAL_DELAY_MS = 100;
export const MAX_DELAY_MS = 3_000;

const CARD_TYPES = ['TRANSACTION_CREATED', 'CARD_3DS', 'CARD_VERIFICATION'];
/** Outside the catalogue: delivered without a schema. */
export const PROBE_TYPE = 'PROBE';
export const PROBE_TENANT = 'probe';

const resident = (tenantId: string, name: string, temper: Temper, more: Partial<Resident> = {}): Resident => ({
  tenantId,
  path: `/${tenantId}/${name}`,
  temper,
  format: 'signed-json',
  maxRetries: 10,
  timeoutMs: 5_000,
  successStatus: more.format === 'encrypted-envelope' ? '200' : '2xx',
  onExhausted: 'block',
  eventTypes: null,
  ...more,
});

const HEALTHY: Temper = { answers: {} };

/** Every endpoint of a run. One tenant's endpoints share its events, so a bad one stands beside a good one. */
export const RESIDENTS: readonly Resident[] = [
  resident(PROBE_TENANT, 'steady', HEALTHY, { eventTypes: [PROBE_TYPE] }),
  resident('bank-a', 'steady', HEALTHY),
  resident(
    'bank-a',
    'cards',
    { answers: { slow: 0.02, created: 0.03 } },
    { format: 'encrypted-envelope', eventTypes: CARD_TYPES },
  ),
  resident('bank-b', 'steady', HEALTHY, { format: 'standard-webhooks' }),
  resident('bank-b', 'failing', { answers: { fail: 0.12, refuse: 0.03 } }),
  resident('bank-c', 'steady', HEALTHY, { format: 'encrypted-envelope' }),
  resident('bank-c', 'hanging', { answers: { hang: 0.01, fail: 0.02 } }, { timeoutMs: 3_000 }),
  resident('bank-d', 'flapping', { answers: { reset: 0.01 }, flaps: { everyMs: 40_000, forMs: 9_000 } }),
  resident('bank-d', 'later', { answers: { later: 0.04, slow: 0.05 } }, { format: 'standard-webhooks' }),
  resident('bank-e', 'stuck', { answers: { fail: 0.02 }, stuckStreams: 0.04 }, { maxRetries: 4 }),
  resident('bank-e', 'skipping', { answers: { fail: 0.2 } }, { maxRetries: 1, onExhausted: 'skip' }),
  resident('bank-f', 'cutting', { answers: { cut: 0.03, close: 0.03, reset: 0.02 } }),
  resident('bank-f', 'gone', { answers: { gone: 0.0005, slow: 0.1 } }),
];

export const TENANTS: readonly string[] = [...new Set(RESIDENTS.map(({ tenantId }) => tenantId))];

export function isHealthy({ temper }: Resident): boolean {
  return Object.keys(temper.answers).length === 0 && temper.flaps === undefined && temper.stuckStreams === undefined;
}
