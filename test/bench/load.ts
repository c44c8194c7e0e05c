// What is written and in which order: the numbering of events, streams and payloads that all processes of the benchmark share.
import { validatePayload } from '#events/validate';

/** Event `n` (from 0) is number `sequenceOf(n)` of stream `streamOf(n)`: round robin, so that every stream is always busy. */
export const streamOf = (event: number, streams: number): number => event % streams;
export const sequenceOf = (event: number, streams: number): number => Math.floor(event / streams) + 1;
export const eventAt = (stream: number, sequence: number, streams: number): number => (sequence - 1) * streams + stream;

const STREAM_PREFIX = '5a17b111-0000-4000-8000-';

/** A stream is an onboarding, and an onboarding's id is a UUID. */
export const streamIdOf = (stream: number): string => STREAM_PREFIX + stream.toString(16).padStart(12, '0');
export const streamFromId = (id: string): number => Number.parseInt(id.slice(STREAM_PREFIX.length), 16);

export const tenantIdOf = (run: number, tenant: number): string => `bench-${run}-${tenant}`;

/** In a disturbed run one stream in a hundred is refused always, and one is never answered. */
export type Mood = 'healthy' | 'failing' | 'hanging';
export function moodOf(stream: number): Mood {
  const place = stream % 100;
  return place === 17 ? 'failing' : place === 71 ? 'hanging' : 'healthy';
}

/** The same clock in every process of this machine (CLOCK_MONOTONIC), in ms. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1_000 + nanoseconds / 1_000_000;
}

const TYPES = ['SIGNING_SESSION_CREATED', 'SIGNING_SESSION_COMPLETED', 'ONBOARDING_COMPLETED'] as const;
const REMARKS =
  'Applicant asked for paper statements and for calls after four in the afternoon; income was shown by three pay slips. ';

export const typeOf = (event: number, streams: number): string =>
  TYPES[(sequenceOf(event, streams) - 1) % TYPES.length]!;

/** A valid payload of its type with exactly `bytes` bytes, or a few more when its required fields don't fit. */
export function payloadOf(event: number, streams: number, bytes: number): string {
  const eventType = typeOf(event, streams);
  const onboardingId = streamIdOf(streamOf(event, streams));
  const head = JSON.stringify({
    eventType,
    onboardingId,
    ...(eventType === 'SIGNING_SESSION_CREATED' && { signingUrl: `https://sign.example.com/s/${onboardingId}` }),
    ...(eventType === 'ONBOARDING_COMPLETED' && { engagementId: onboardingId }),
    step: sequenceOf(event, streams),
    remarks: '',
  });
  const room = Math.max(0, bytes - head.length);
  return `${head.slice(0, -2)}${remarks(room)}"}`;
}

let longest = REMARKS;
function remarks(length: number): string {
  if (longest.length < length) longest = REMARKS.repeat(Math.ceil(length / REMARKS.length));
  return longest.slice(0, length);
}

/** Throws when the payloads are not what the catalogue asks for: halted lanes would make strange figures. */
export function checkPayloads(bytes: number): void {
  for (const event of TYPES.keys()) {
    const faults = validatePayload(typeOf(event, 1), JSON.parse(payloadOf(event, 1, bytes)));
    if (faults.length > 0) throw new Error(`the benchmark's ${typeOf(event, 1)} is invalid: ${faults.join('; ')}`);
  }
}
