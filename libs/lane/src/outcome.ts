// What an attempt's result means: success, a failure that counts, or a reason to leave the whole endpoint alone.

/** The result of one request, as the HTTP adapter reports it. */
export type AttemptResult =
  { kind: 'response'; statusCode: number; headers: Record<string, string> } | { kind: 'failed'; errorClass: string };

export type Outcome =
  | { kind: 'success' }
  | { kind: 'failure'; errorClass: string; retryAfterMs?: number }
  /** 410 Gone: the receiver wants no more; the endpoint is paused. */
  | { kind: 'gone'; errorClass: string }
  /** Not sent, through no fault of the event: the endpoint is held and checked again later. Not counted. */
  | { kind: 'held'; errorClass: string }
  /** Cut by ourselves (lease, shutdown) or failed on this machine: no fault of the receiver's. Not counted. */
  | { kind: 'unknown'; errorClass: string };

/** Success is decided by the status line alone; redirects are failures. `nowMs`: wall clock, for Retry-After dates. */
export function classify(result: AttemptResult, successStatus: '2xx' | '200', nowMs: number): Outcome {
  if (result.kind === 'failed') {
    if (result.errorClass === 'blocked_target') return { kind: 'held', errorClass: result.errorClass };
    if (result.errorClass === 'aborted' || result.errorClass === 'local_fault')
      return { kind: 'unknown', errorClass: result.errorClass };
    return { kind: 'failure', errorClass: result.errorClass };
  }
  const { statusCode } = result;
  if (successStatus === '200' ? statusCode === 200 : statusCode >= 200 && statusCode < 300) return { kind: 'success' };
  const errorClass = `http_${Math.floor(statusCode / 100)}xx`;
  if (statusCode === 410) return { kind: 'gone', errorClass };
  const retryAfterMs =
    statusCode === 429 || statusCode === 503 ? parseRetryAfter(result.headers['retry-after'], nowMs) : undefined;
  return retryAfterMs === undefined ? { kind: 'failure', errorClass } : { kind: 'failure', errorClass, retryAfterMs };
}

/** RFC 9110, 10.2.3: whole seconds or an HTTP date. Anything else, and the past, is ignored. In ms. */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim();
  if (!text) return undefined;
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  // Date.parse accepts far more than HTTP dates ("-5" is a year): ask for the fixed form.
  if (!/^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(text)) return undefined;
  const at = Date.parse(text);
  return Number.isNaN(at) || at <= nowMs ? undefined : at - nowMs;
}
