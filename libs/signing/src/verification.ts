// What every check of a received request takes and answers.
import type { ReceivedHeaders } from './formats.ts';

export interface VerifyInput {
  headers: ReceivedHeaders;
  /** The body's bytes as received, before any JSON parser touched them. */
  body: Uint8Array;
  /** Every secret that is valid now: two during a rotation. */
  secrets: readonly string[];
  /** The receiver's time. */
  at: Date;
  /** How far the timestamp may lie from `at`, both ways. Default: 5 minutes, as Standard Webhooks has it. */
  toleranceMs?: number;
}

export type Verdict =
  { ok: true } | { ok: false; reason: 'missing_header' | 'bad_timestamp' | 'stale' | 'bad_signature' };

const DEFAULT_TOLERANCE_MS = 5 * 60_000;

/** The first value of a header, whatever the case of its name. */
export function headerOf(headers: ReceivedHeaders, name: string): string | undefined {
  const value = headers[name] ?? headers[name.toLowerCase()] ?? findIgnoringCase(headers, name.toLowerCase());
  return typeof value === 'string' ? value : value?.[0];
}

function findIgnoringCase(headers: ReceivedHeaders, lowerCaseName: string): string | readonly string[] | undefined {
  const name = Object.keys(headers).find((key) => key.toLowerCase() === lowerCaseName);
  return name === undefined ? undefined : headers[name];
}

/** The fault of a timestamp, or null when it is close enough to the receiver's time. */
export function timestampFault(sentAtMs: number, input: VerifyInput): 'bad_timestamp' | 'stale' | null {
  if (!Number.isFinite(sentAtMs)) return 'bad_timestamp';
  return Math.abs(input.at.getTime() - sentAtMs) > (input.toleranceMs ?? DEFAULT_TOLERANCE_MS) ? 'stale' : null;
}
