// C9: what the records say against what the receiver saw; an answer that got lost may be told either way.
import {
  aboutDelivery,
  type AttemptRecord,
  DATABASE_CLOCK_MS,
  type Delivery,
  deliveryKey,
  type Facts,
} from './facts.ts';
import type { Findings } from './findings.ts';
import { isOf } from './duplicates.ts';
import type { ApiDelivery } from './history.ts';
import { readLines } from './read-lines.ts';
import { isSuccess, type Request } from './request.ts';
import { type FaultWindow, overlaps, unclean, windowsOf } from './windows.ts';

/** What happened this shortly before the end of a history that never came to rest may not be on record yet. */
const UNFLUSHED_MS = 5_000;

export async function findUntruths(facts: Facts, findings: Findings): Promise<void> {
  const windows = unclean(windowsOf(facts));
  for (const delivery of facts.deliveries.values()) {
    for (const row of delivery.attempts) checkAttempt(row, delivery, windows, findings);
    checkRequests(delivery, { facts, windows, findings });
    checkEnd(delivery, findings);
  }
  await checkApi(facts, findings);
}

const aboutAttempt = (delivery: Delivery, { epoch, number }: AttemptRecord) => ({
  ...aboutDelivery(delivery),
  epoch,
  attempt: number,
});

function checkAttempt(
  row: AttemptRecord,
  delivery: Delivery,
  windows: readonly FaultWindow[],
  findings: Findings,
): void {
  const arrivals = delivery.requests.filter((request) => isOf(row, request));
  findings.count(`attempts: ${row.outcome}`);
  const say = (message: string) =>
    findings.violation(message, { ...aboutAttempt(delivery, row), n: arrivals[0]?.n ?? null });
  if (arrivals.length > 1) say('one attempt on record, several requests arrived');
  const fault = attemptFault(row, arrivals[0], delivery, windows);
  if (fault !== null) say(fault);
}

function attemptFault(
  row: AttemptRecord,
  arrival: Request | undefined,
  delivery: Delivery,
  windows: readonly FaultWindow[],
): string | null {
  switch (row.outcome) {
    case 'success':
      if (!isSuccess(row.status_code, delivery.endpoint)) return `a success with status ${row.status_code}`;
      return answerFault(row, arrival);
    case 'failure':
      if (row.status_code === null) return arrival ? 'on record as never sent, but it arrived' : null;
      if (isSuccess(row.status_code, delivery.endpoint)) return `a failure with status ${row.status_code}`;
      return answerFault(row, arrival);
    case 'unknown':
      if (row.status_code !== null) return `an unknown outcome with status ${row.status_code}`;
      return arrival && mustBeKnown(row, arrival, windows)
        ? `on record as unknown, but ${arrival.status} was answered in full`
        : null;
  }
}

function answerFault({ status_code: status }: AttemptRecord, arrival: Request | undefined): string | null {
  if (!arrival) return `on record with status ${status}, but it never arrived`;
  if (arrival.answer === 'none') return `on record with status ${status}, but nothing was answered`;
  return arrival.status === status ? null : `on record with status ${status}, answered with ${arrival.status}`;
}

/** The whole answer left in time, and nothing was about that may have stopped it. */
function mustBeKnown(row: AttemptRecord, arrival: Request, windows: readonly FaultWindow[]): boolean {
  const { answer, answeredAt, endpoint } = arrival;
  if (answer !== 'full' || answeredAt === null) return false;
  // The deadline counts from the sender's start: it may have waited for a connection before anything arrived.
  const isLate = answeredAt - row.startedAt >= endpoint.timeoutMs * 0.9 - DATABASE_CLOCK_MS;
  return !isLate && !overlaps(windows, row.startedAt, Math.max(answeredAt, row.startedAt + row.duration_ms));
}

interface Context {
  facts: Facts;
  windows: readonly FaultWindow[];
  findings: Findings;
}

/** A request without a record: its process died or was overtaken, and the next owner says that there may have been one. */
function checkRequests(delivery: Delivery, { facts, windows, findings }: Context): void {
  for (const request of delivery.requests) {
    if (delivery.attempts.some((row) => isOf(row, request))) continue;
    if (facts.manifest.quiescedAt === null && request.receivedAt > facts.manifest.endedAt - UNFLUSHED_MS) continue;
    findings.count('requests without a record');
    const say = (message: string) =>
      findings.violation(message, {
        ...aboutDelivery(delivery),
        n: request.n,
        epoch: request.epoch,
        attempt: request.attempt,
      });
    const until = Math.max(request.answeredAt ?? 0, request.receivedAt + request.endpoint.timeoutMs);
    if (!overlaps(windows, request.receivedAt, until + UNFLUSHED_MS))
      say('it arrived, no attempt is on record, and no fault was near');
    const next = delivery.attempts.find(({ epoch }) => epoch > request.epoch);
    // An old owner's late request comes after the next one's, which could not know of it.
    if (next && next.startedAt > request.receivedAt && !next.earlier_attempts_possible)
      say('it is not on record, and the next epoch’s first attempt does not say that there may have been one');
  }
}

function checkEnd(delivery: Delivery, findings: Findings): void {
  const success = delivery.attempts.find(({ outcome }) => outcome === 'success');
  for (const record of delivery.records) {
    const say = (message: string) => findings.violation(message, { ...aboutDelivery(delivery), state: record.state });
    if (record.state === 'delivered') {
      findings.count('delivered');
      if (!success) say('delivered, without an attempt on record that succeeded');
      else if (success.status_code !== record.status_code)
        say(`its status is ${record.status_code}, that of its attempt ${success.status_code}`);
      if (!delivery.requests.some(({ isAccepted, answer }) => isAccepted && answer !== 'none'))
        say('delivered on record, but no receiver said so');
    } else if (success) say('an attempt succeeded, but it is not delivered');
    const made = Math.max(0, ...delivery.attempts.map(({ number }) => number));
    if (record.attempts !== made) say(`${record.attempts} attempts by its record, ${made} by theirs`);
  }
}

/** What the API shows is what the tables have. */
async function checkApi(facts: Facts, findings: Findings): Promise<void> {
  for await (const shown of readLines<ApiDelivery>(facts.folder, 'api-deliveries.jsonl')) {
    findings.count('shown by the API');
    const delivery = facts.deliveries.get(deliveryKey(shown.endpointId, shown.eventId));
    const record = delivery?.records[0];
    const about = { endpointId: shown.endpointId, eventId: shown.eventId, streamId: shown.streamId };
    if (!delivery || !record) {
      findings.violation('the API shows a delivery that no table has', about);
      continue;
    }
    if (
      shown.state !== record.state ||
      shown.statusCode !== record.status_code ||
      shown.errorClass !== record.error_class
    )
      findings.violation(
        `the API shows ${shown.state} ${shown.statusCode}, the table has ${record.state} ${record.status_code}`,
        about,
      );
    const outcomes = (rows: { epoch: number; number: number; outcome: string }[]) =>
      rows
        .map(({ epoch, number, outcome }) => `${epoch}/${number} ${outcome}`)
        .toSorted()
        .join(', ');
    if (outcomes(shown.attemptRecords) !== outcomes(delivery.attempts))
      findings.violation('the API shows other attempts than the table has', about);
  }
}
