// The small world of the example history: who receives what, how, and the faults that happen to it.
import type { Bounds, Endpoint, EndpointSecret, Fault } from '../history.ts';

export const START = 1_800_000_000_000;
/** Ms after START. */
export const TROUBLE = 18_000;
export const KILL = 30_000;
export const TAKEOVER = 36_000;
export const TERM = 52_000;
export const LAST_COMMIT = 60_000;
export const REST = 90_000;
export const END = 92_000;

export const at = (ms: number): number => START + ms;
export const iso = (ms: number): string => new Date(ms).toISOString();

const secret = (text: string, more: Partial<EndpointSecret> = {}): EndpointSecret => ({
  secret: text,
  encoding: 'utf8',
  fromAt: at(-1_000_000),
  untilAt: null,
  ...more,
});

const endpoint = (number: number, tenantId: string, more: Partial<Endpoint>): Endpoint => ({
  id: `0000000${number}-0000-4000-8000-000000000000`,
  tenantId,
  path: `/${tenantId}/${number}`,
  format: 'signed-json',
  secrets: [secret(`signing-secret-of-endpoint-${number}`)],
  initialDelayMs: 100,
  maxDelayMs: 3_000,
  maxRetries: 10,
  timeoutMs: 2_000,
  successStatus: '2xx',
  onExhausted: 'block',
  isHealthy: false,
  eventTypes: null,
  deletedAt: null,
  ...more,
});

/** Healthy, and its secret is changed in the middle, with an overlap. */
export const steady = endpoint(1, 'a', {
  isHealthy: true,
  secrets: [
    secret('the-old-secret-of-steady', { untilAt: at(28_000) }),
    secret('the-new-secret-of-steady', { fromAt: at(14_000) }),
  ],
});
export const failing = endpoint(2, 'a', {
  format: 'encrypted-envelope',
  successStatus: '200',
  secrets: [secret('00112233445566778899aabbccddeeff', { encoding: 'hex' })],
});
export const skipping = endpoint(3, 'b', {
  format: 'standard-webhooks',
  onExhausted: 'skip',
  maxRetries: 1,
  secrets: [secret(`whsec_${Buffer.from('thirty-two-bytes-of-a-secret-key').toString('base64')}`)],
});
/** One stream of it is refused always, another until an operator retries. */
export const halting = endpoint(4, 'b', { maxRetries: 1 });
export const cards = endpoint(5, 'c', { maxRetries: 1, eventTypes: ['CARD_3DS', 'CARD_VERIFICATION'] });

export const endpoints: Endpoint[] = [steady, failing, skipping, halting, cards];

export const bounds: Bounds = {
  retryLateMs: 1_000,
  recoveryMs: { relay: 15_000, consumer: 15_000, broker: 30_000, database: 30_000, default: 30_000 },
  healthyLatencyFactor: 1.5,
  healthyLatencyFloorMs: 200,
  timeoutTolerance: 0.1,
};

export const faults: Fault[] = [
  { n: 1, row: 'F4', kind: 'kill', target: 'consumer-1', beganAt: at(KILL), endedAt: at(KILL + 1_000), isClean: false },
  { n: 2, row: 'F5', kind: 'term', target: 'consumer-1', beganAt: at(TERM), endedAt: at(TERM + 500), isClean: true },
];

export const CARD_NUMBER = '5214 7000 8812 0047';
export const TOKEN = 'token-of-the-administrator-0123456789';
export const secretsToHide = [
  CARD_NUMBER,
  TOKEN,
  ...endpoints.flatMap(({ secrets }) => secrets.map((one) => one.secret)),
];
