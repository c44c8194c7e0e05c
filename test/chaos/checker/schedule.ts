// C10: no retry before it was due, none much later, and no request beyond its deadline.
import {
  aboutDelivery,
  type AttemptRecord,
  CLOCK_MS,
  DATABASE_CLOCK_MS,
  type Delivery,
  type Facts,
  laneKey,
} from './facts.ts';
import type { Findings } from './findings.ts';
import { isOf } from './duplicates.ts';
import type { Endpoint } from './history.ts';
import { breakerWindows, pauseWindows, type Span } from './endpoint-windows.ts';
import type { Request } from './request.ts';
import { type FaultWindow, overlaps, windowsOf } from './windows.ts';

const MAX_RETRY_AFTER_MS = 3_600_000;
/** Where an endpoint's timeout is short, ± 10 % of it is less than a timer of a busy process is off. */
const TIMER_MS = 250;

interface Context {
  facts: Facts;
  findings: Findings;
  windows: readonly FaultWindow[];
  /** By endpoint: when its lanes may have waited for something else than their due time. */
  closed: ReadonlyMap<string, Span[]>;
}

export function findBadTiming(facts: Facts, findings: Findings): void {
  const closed = new Map(
    facts.manifest.endpoints.map((endpoint) => [
      endpoint.id,
      [...breakerWindows(endpoint, facts), ...pauseWindows(endpoint, facts)],
    ]),
  );
  const context: Context = { facts, findings, windows: windowsOf(facts), closed };
  let latestMs = 0;
  for (const delivery of facts.deliveries.values()) {
    checkDeadlines(delivery, context);
    latestMs = Math.max(latestMs, checkRetries(delivery, context));
  }
  findings.figure('latest retry outside fault windows, ms', Math.round(latestMs));
}

/** A hanging request is cut at the endpoint's timeout, not before, not after. */
function checkDeadlines(delivery: Delivery, { facts, findings, windows }: Context): void {
  const { bounds } = facts.manifest;
  for (const attempt of delivery.attempts) {
    const { error_class: errorClass, outcome, duration_ms: durationMs, epoch, number, startedAt } = attempt;
    const { timeoutMs } = delivery.endpoint;
    const tolerance = Math.max(TIMER_MS, timeoutMs * bounds.timeoutTolerance);
    const about = { ...aboutDelivery(delivery), epoch, attempt: number, durationMs };
    if (errorClass === 'timeout' && outcome === 'unknown') {
      findings.count('timeouts');
      if (durationMs < timeoutMs - tolerance) findings.violation('timed out before its deadline', about);
    }
    // A process that was paused meanwhile could not end it in time.
    const isExcused = overlaps(windows, startedAt, startedAt + durationMs);
    if (durationMs > timeoutMs + tolerance && !isExcused) findings.violation('it took longer than its deadline', about);
  }
}

/** Returns how late the latest retry was, in ms, of those that nothing excuses. */
function checkRetries(delivery: Delivery, context: Context): number {
  const { findings } = context;
  const commands = retriesOf(delivery, context.facts);
  let latestMs = 0;
  for (const [index, request] of delivery.requests.entries()) {
    const before = delivery.requests[index - 1];
    const row = before && delivery.attempts.find((one) => isOf(one, before));
    // Of what is not on record nobody can say when it was due; a success is followed by nothing that C8 does not judge.
    if (!before || !row || row.outcome === 'success') continue;
    if (commands.some((one) => isBetween(one, before, request))) continue;
    findings.count('retries');
    const about = { ...aboutDelivery(delivery), n: request.n, after: before.n };
    const delays = delaysAfter(row, before, delivery, commands);
    const waitedMs = request.receivedAt - knownAt(row, before);
    if (waitedMs + CLOCK_MS < delays.leastMs && !isProbe(request, delivery))
      findings.violation(`tried again after ${ms(waitedMs)}, due after ${ms(delays.leastMs)} at the earliest`, about);
    if (isExcused(row, request, delivery, context)) continue;
    const lateMs = request.receivedAt - (row.startedAt + row.duration_ms) - delays.mostMs;
    latestMs = Math.max(latestMs, lateMs);
    const boundMs = context.facts.manifest.bounds.retryLateMs + DATABASE_CLOCK_MS;
    if (lateMs > boundMs) findings.violation(`tried again ${ms(lateMs)} after it was due`, { ...about, boundMs });
  }
  return latestMs;
}

const ms = (value: number) => `${Math.round(value)} ms`;

/** The earliest instant at which the sender can have known that the request had failed, by the receiver's clock. */
function knownAt(row: AttemptRecord, { answeredAt, receivedAt }: Request): number {
  if (row.outcome !== 'unknown') return answeredAt ?? receivedAt;
  // The sender gave up: only it knows when.
  return Math.max(receivedAt, row.startedAt + row.duration_ms - DATABASE_CLOCK_MS);
}

/** An operator's retry: a new round begins when it is applied. */
interface Retry {
  askedAt: number;
  at: number;
}

/** It took effect when its transaction was committed; it is noted as closed when that began. */
const isBetween = ({ askedAt, at }: Retry, before: Request, request: Request) =>
  askedAt <= request.receivedAt && at + DATABASE_CLOCK_MS >= before.receivedAt;

/** Of the lane, or, for what keeps no order, none: nobody retries that by hand. */
function retriesOf(delivery: Delivery, facts: Facts): Retry[] {
  const streamId = delivery.event?.streamId ?? '';
  const commands = facts.lanes.get(laneKey(delivery.endpoint.id, streamId))?.commands ?? [];
  return commands
    .filter(
      (command) => command.kind === 'retry' && command.sequence === delivery.sequence && command.result === 'applied',
    )
    .map(({ requested_at: asked, closed_at: closed }) => ({
      askedAt: Date.parse(asked),
      at: Date.parse(closed ?? asked),
    }));
}

/** initial × 2^(failures − 1), capped, half of it fixed; Retry-After is a lower bound. Failures count from the last retry by hand. */
function delaysAfter(row: AttemptRecord, request: Request, delivery: Delivery, commands: readonly { at: number }[]) {
  const { endpoint, attempts } = delivery;
  const upToHere = attempts.slice(0, attempts.indexOf(row) + 1);
  const roundFrom = Math.max(-Infinity, ...commands.map(({ at }) => at).filter((at) => at <= row.startedAt));
  const counted = upToHere.filter((one) => one.counted && one.startedAt >= roundFrom - CLOCK_MS).length;
  const retryAfterMs = retryAfter(request, row);
  return {
    leastMs: Math.max(fullDelay(endpoint, Math.max(1, counted)) / 2, retryAfterMs),
    // Where earlier attempts are on no record, or did not count, more may be counted in memory than here.
    mostMs: Math.max(fullDelay(endpoint, Math.max(1, row.number)), retryAfterMs),
  };
}

const fullDelay = ({ initialDelayMs, maxDelayMs }: Endpoint, failures: number) =>
  Math.min(initialDelayMs * 2 ** Math.min(failures - 1, 30), maxDelayMs);

/** RFC 9110, 10.2.3, of 429 and 503: seconds, or a date against the time of the attempt. */
function retryAfter({ retryAfter: value, status }: Request, row: AttemptRecord): number {
  if (value === null || (status !== 429 && status !== 503) || row.status_code !== status) return 0;
  const isDate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/.test(value);
  const asked = /^\d+$/.test(value)
    ? Number(value) * 1_000
    : isDate
      ? Date.parse(value) - row.startedAt - DATABASE_CLOCK_MS
      : 0;
  return Math.min(Math.max(0, asked), MAX_RETRY_AFTER_MS);
}

/** Behind an open circuit breaker one lane is tried before its time, and the attempt is not counted. */
function isProbe(request: Request, { attempts }: Delivery): boolean {
  const row = attempts.find((one) => isOf(one, request));
  return row?.counted === false && row.error_class !== 'aborted';
}

/** Something else than its due time may have kept the lane waiting. */
function isExcused(row: AttemptRecord, request: Request, delivery: Delivery, { windows, closed }: Context): boolean {
  const from = row.startedAt;
  const until = request.receivedAt;
  const spans = closed.get(delivery.endpoint.id) ?? [];
  return overlaps(windows, from, until) || spans.some((span) => span.from <= until && from <= span.until);
}
