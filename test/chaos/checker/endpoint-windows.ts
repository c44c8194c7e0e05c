// When nothing could be sent to an endpoint for reasons of its own: it was paused, or its circuit breaker may have been open.
import type { AttemptRecord, Facts } from './facts.ts';
import type { Endpoint } from './history.ts';

export interface Span {
  from: number;
  until: number;
}

/** Different lanes that failed in a row. */
const LANES_TO_OPEN = 10;
/** Its longest pause between probes. */
const MAX_PAUSE_MS = 60_000;

/** From the tenth lane that failed in a row on, until a success, and as long again as a pause may last. */
export function breakerWindows(endpoint: Endpoint, facts: Facts): Span[] {
  const rows: (AttemptRecord & { lane: string })[] = [];
  for (const { endpoint: its, attempts, event, eventId, sequence } of facts.deliveries.values()) {
    const lane = sequence === null ? eventId : (event?.streamId ?? eventId);
    if (its === endpoint) rows.push(...attempts.map((row) => ({ ...row, lane })));
  }
  rows.sort((a, b) => endOf(a) - endOf(b));
  const spans: Span[] = [];
  let failed = new Set<string>();
  let from: number | null = null;
  for (const row of rows) {
    if (row.outcome !== 'success') {
      failed.add(row.lane);
      if (failed.size >= LANES_TO_OPEN) from ??= row.startedAt;
      continue;
    }
    if (from !== null) spans.push({ from, until: endOf(row) + endpoint.maxDelayMs });
    failed = new Set();
    from = null;
  }
  if (from !== null) spans.push({ from, until: endOf(rows.at(-1)!) + MAX_PAUSE_MS });
  return spans;
}

const endOf = ({ startedAt, duration_ms: durationMs }: AttemptRecord) => startedAt + durationMs;

/** From an audited pause or change until the next change, and as long as a change may take to be known. */
export function pauseWindows(endpoint: Endpoint, facts: Facts): Span[] {
  const changes = facts.audit.filter(({ target }) => target === `endpoint:${endpoint.id}`);
  return changes.map(({ at, action }, index) => {
    const next = changes[index + 1];
    const isPause = action === 'endpoint.paused' || action === 'endpoint.changed';
    const until = isPause && next ? Date.parse(next.at) : Date.parse(at);
    return { from: Date.parse(at), until: until + facts.manifest.bounds.recoveryMs.default };
  });
}
