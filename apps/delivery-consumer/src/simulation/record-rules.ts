// P8: once everything has come to rest, the records must say what the receivers saw, and a dead letter lies where one is due.
import { Violation } from '#clock';
import { laneKey } from '#lane';
import { type MemoryLog, DEAD_LETTER } from './memory-log.ts';
import type { MemoryDatabase } from './memory-store.ts';
import { type Exchange, isSuccess } from './receiver.ts';
import type { Scenario } from './scenario.ts';

export interface History {
  scenario: Scenario;
  database: MemoryDatabase;
  exchanges: readonly Exchange[];
  /** By endpoint and event id. */
  exchangesOf: (key: string) => readonly Exchange[];
  /** Some fault excuses a second request after a success, or a request without a record. */
  mayDuplicate: boolean;
}

/** Every lane stands at its last sequence, and nothing is called delivered without a 2xx. */
export function checkStates({ scenario, database, exchangesOf, mayDuplicate }: History): void {
  const last = new Map<string, number>();
  for (const { stream, targets } of scenario.events)
    for (const { endpoint, sequence } of targets)
      if (sequence !== null)
        last.set(laneKey(endpoint, stream), Math.max(sequence, last.get(laneKey(endpoint, stream)) ?? 0));
  for (const [key, sequence] of last)
    if (database.lanes.get(key)?.delivered !== sequence)
      throw new Violation(`lane ${key} stands at ${database.lanes.get(key)?.delivered}, not ${sequence}`, key);
  for (const [key, { delivery, state }] of database.history) {
    const exchanges = exchangesOf(key);
    if (state === 'delivered' && !exchanges.some(isSuccess))
      throw new Violation(`truth: ${key} is delivered without a 2xx`, delivery.event.eventId);
    if (state !== 'delivered' && state !== 'exhausted' && exchanges.some(isSuccess) && !mayDuplicate)
      throw new Violation(`truth: ${key} is ${state}, but had a 2xx`, delivery.event.eventId);
  }
}

/** An attempt on record says what the sender was told of that very request; where records are missing, the next one says so. */
export function checkAttempts({ database, exchanges, exchangesOf, mayDuplicate }: History): void {
  for (const row of database.attempts.values()) {
    const key = laneKey(row.endpointId, row.event.eventId);
    const exchange = exchangesOf(key).find((one) => one.epoch === row.epoch && one.attempt === row.number);
    const result = exchange?.result;
    if (!result) throw new Violation(`truth: attempt ${row.number} of ${key} was never made`, row.event.eventId);
    const statusCode = result.kind === 'response' ? result.statusCode : null;
    const outcome = isSuccess(exchange)
      ? 'success'
      : result.kind === 'failed' && result.bytesSent
        ? 'unknown'
        : 'failure';
    if (row.statusCode !== statusCode || row.outcome !== outcome)
      throw new Violation(
        `truth: attempt ${row.number} of ${key} is ${row.outcome}, not ${outcome}`,
        row.event.eventId,
      );
  }
  checkEarlierAttempts(database, exchangesOf);
  if (!mayDuplicate && database.attempts.size !== exchanges.length)
    throw new Violation(`truth: ${exchanges.length} requests, but ${database.attempts.size} attempts on record`);
}

/** Where a request of an earlier epoch left no record, the first one on record after it says that there may have been one. */
function checkEarlierAttempts(database: MemoryDatabase, exchangesOf: History['exchangesOf']): void {
  const byDelivery = Map.groupBy(database.attempts.values(), (row) => laneKey(row.endpointId, row.event.eventId));
  for (const [key, rows] of byDelivery) {
    const isRecorded = ({ epoch, attempt }: Exchange) =>
      rows.some((row) => row.epoch === epoch && row.number === attempt);
    const missing = exchangesOf(key).filter((exchange) => !isRecorded(exchange));
    for (const { epoch, attempt, sentAt } of missing) {
      const next = exchangesOf(key).find((one) => one.epoch > epoch && one.sentAt > sentAt && isRecorded(one));
      const first = next && rows.find((row) => row.epoch === next.epoch && row.number === next.attempt);
      if (first && !first.earlierAttemptsPossible)
        throw new Violation(
          `truth: attempt ${first.number} of ${key} in epoch ${first.epoch} hides attempt ${attempt} of epoch ${epoch}`,
          ...key.split(' '),
        );
    }
  }
}

/** Whatever gave up on its own has its dead letter, unless the process died before it could write one. */
export function checkDeadLetters({ scenario, database, mayDuplicate }: History, log: MemoryLog): void {
  if (mayDuplicate) return;
  const letters = new Set<string>();
  for (let partition = 0; partition < scenario.partitions; partition++)
    for (const { headers } of log.records(DEAD_LETTER, partition))
      letters.add(laneKey(String(headers['waybill-endpoint']), String(headers['ce_id'])));
  for (const key of database.exhausted)
    if (!letters.has(key)) throw new Violation(`dead letter: there is none of ${key}`, ...key.split(' '));
}
