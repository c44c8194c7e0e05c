// C12: no record goes backwards: one place for each delivery, cursors that fit, attempts that only ever go on, commands applied once.
import { aboutDelivery, DATABASE_CLOCK_MS, type Delivery, type Facts, type LaneFacts } from './facts.ts';
import type { Findings } from './findings.ts';
import { terminalRecord } from './terminal.ts';

const WAITING = new Set(['pending', 'parked', 'exhausted']);
const ENDED = new Set(['delivered', 'skipped', 'expired', 'exhausted']);

export function findBackwardRecords(facts: Facts, findings: Findings): void {
  findings.figure('deliveries', facts.deliveries.size);
  for (const delivery of facts.deliveries.values()) {
    checkRecords(delivery, findings);
    checkAttempts(delivery, findings);
  }
  for (const lane of facts.lanes.values()) {
    checkCursor(lane, facts, findings);
    checkCommands(lane, facts, findings);
  }
}

function checkRecords(delivery: Delivery, findings: Findings): void {
  const { records } = delivery;
  if (records.length > 1)
    findings.violation(
      `in the tables ${records.length} times: ${records.map(({ table, state }) => `${state} in ${table}`).join(', ')}`,
      aboutDelivery(delivery),
    );
  for (const { table, state, finishedAt, enqueuedAt } of records) {
    const fits =
      table === 'delivery'
        ? WAITING.has(state)
        : ENDED.has(state) && (state !== 'exhausted' || delivery.sequence === null);
    if (!fits) findings.violation(`${state} in ${table}`, aboutDelivery(delivery));
    if (table === 'delivery_history' && !(finishedAt >= enqueuedAt - DATABASE_CLOCK_MS))
      findings.violation('ended before it was enqueued', aboutDelivery(delivery));
  }
}

/** By epoch and number: both only rise with time, and nothing follows a success. */
function checkAttempts(delivery: Delivery, findings: Findings): void {
  const { attempts } = delivery;
  for (const [index, row] of attempts.entries()) {
    const before = attempts[index - 1];
    if (!before) continue;
    const about = { ...aboutDelivery(delivery), epoch: row.epoch, attempt: row.number };
    if (row.number <= before.number)
      findings.violation(`attempt ${row.number} on record after ${before.number}`, about);
    if (row.startedAt + DATABASE_CLOCK_MS < before.startedAt)
      findings.violation('a later attempt began earlier', about);
    if (before.outcome === 'success') findings.violation('an attempt on record after the success', about);
  }
}

/** At rest: everything up to the cursor has ended, nothing beyond it; an open lane has nothing waiting. */
function checkCursor(lane: LaneFacts, { manifest }: Facts, findings: Findings): void {
  const about = { endpointId: lane.endpoint.id, path: lane.endpoint.path, streamId: lane.streamId };
  const ended = [...lane.deliveries]
    .filter(([, [delivery]]) => terminalRecord(delivery!))
    .map(([sequence]) => sequence);
  const delivered = lane.row?.delivered ?? 0;
  const beyond = ended.filter((sequence) => sequence > delivered);
  if (beyond.length > 0)
    findings.violation(`the cursor is at ${delivered}, but ${Math.max(...beyond)} has ended`, about);
  const here = new Set(ended);
  for (let sequence = 1; sequence <= delivered; sequence++) {
    if (!here.has(sequence))
      findings.violation(`the cursor is at ${delivered}, but ${sequence} has not ended`, { ...about, sequence });
  }
  if (!lane.row) return;
  const waiting = [...lane.deliveries.values()]
    .flat()
    .filter(({ records }) => records.some(({ table }) => table === 'delivery'));
  if (lane.row.state === 'open' && waiting.length > 0)
    findings.violation(`open, while ${waiting.length} of it wait in PostgreSQL`, about);
  if (manifest.quiescedAt !== null && lane.row.state === 'parked') findings.violation('parked at rest', about);
  if (lane.row.state === 'halted' && lane.row.next_attempt_at !== null)
    findings.violation('halted, with a next attempt', about);
}

function checkCommands(lane: LaneFacts, { manifest }: Facts, findings: Findings): void {
  for (const { id, kind, sequence, result, requested_at: requestedAt, closed_at: closedAt } of lane.commands) {
    findings.count(`commands: ${kind} ${result ?? 'open'}`);
    const about = { command: id, kind, sequence, endpointId: lane.endpoint.id, streamId: lane.streamId };
    if (closedAt === null && manifest.quiescedAt !== null) findings.violation('a command is open at rest', about);
    if (closedAt !== null && Date.parse(closedAt) < Date.parse(requestedAt))
      findings.violation('a command was closed before it was given', about);
    if (kind === 'skip' && result === 'applied' && skipOf(lane, sequence) !== 'skipped')
      findings.violation('a skip is on record as applied, but the delivery was not skipped', about);
  }
  const skips = lane.commands.filter(({ kind, result }) => kind === 'skip' && result === 'applied');
  for (const [sequence, ofOne] of Map.groupBy(skips, (one) => one.sequence)) {
    if (ofOne.length > 1)
      findings.violation('skipped twice', { sequence, endpointId: lane.endpoint.id, streamId: lane.streamId });
  }
}

const skipOf = (lane: LaneFacts, sequence: number) => {
  const [delivery] = lane.deliveries.get(sequence) ?? [];
  return delivery && terminalRecord(delivery)?.state;
};
