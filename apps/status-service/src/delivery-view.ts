// How one delivery is shown: its payload masked unless revealed, the headers of its attempts readable.
import type { DeliveryDetail } from '#deliveries';
import { explainCode, maskPayload } from '#events';

/** A payload that is no JSON (the outbox lets none in) is hidden whole. */
export function detailView({ payload: text, ...delivery }: DeliveryDetail, { reveal }: { reveal: boolean }) {
  const payload = parse(text);
  return {
    ...delivery,
    payloadMasked: !reveal,
    payload: reveal ? payload : maskPayload(payload),
    // Byte by byte what was committed: spacing and the order of keys too.
    ...(reveal ? { payloadText: text } : {}),
    explanation: explainCode(delivery.eventType, payload),
    attemptRecords: delivery.attemptRecords.map((attempt) => ({
      ...attempt,
      requestHeaders: parseHeaders(attempt.requestHeaders),
      responseHeaders: parseHeaders(attempt.responseHeaders),
    })),
  };
}

function parseHeaders(text: string | null): object | null {
  const headers = text === null ? null : parse(text);
  return typeof headers === 'object' && headers !== null ? headers : null;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text, exactNumber);
  } catch {
    return text;
  }
}

/** An amount that a JavaScript number would show with other digits is shown as its text. */
function exactNumber(_key: string, value: unknown, context?: { source?: string }): unknown {
  const source = typeof value === 'number' ? context?.source : undefined;
  return source === undefined || source === String(value) ? value : source;
}
