// What ended a delivery without a success, and whether something on record outside the delivery itself allows it.
import { DATABASE_CLOCK_MS, type Delivery, type DeliveryRecord, type Facts, laneKey, UNORDERED } from './facts.ts';

const TERMINAL = new Set(['delivered', 'skipped', 'expired', 'exhausted']);

/** The record that ended the delivery, if one did. On a lane `exhausted` ends nothing: it waits for a person. */
export function terminalRecord({ records, sequence }: Delivery): DeliveryRecord | undefined {
  return records.find(
    ({ table, state }) =>
      table === 'delivery_history' && TERMINAL.has(state) && (state !== 'exhausted' || sequence === null),
  );
}

/** Null when an end other than `delivered` has its cause; otherwise what is wrong with it. */
export function endFault(delivery: Delivery, record: DeliveryRecord, facts: Facts): string | null {
  switch (record.state) {
    case 'skipped':
      return skipFault(delivery, record, facts);
    case 'expired':
      return expiryFault(delivery, record);
    case 'exhausted':
      return exhaustionFault(delivery);
    default:
      return null;
  }
}

function skipFault(delivery: Delivery, record: DeliveryRecord, facts: Facts): string | null {
  const { endpoint, sequence } = delivery;
  const reason = record.reason ?? '';
  if (reason.startsWith('operator')) return operatorFault(delivery, record, facts);
  switch (reason) {
    case 'exhausted':
      if (endpoint.onExhausted !== 'skip') return 'skipped as exhausted, but its endpoint’s policy is to block';
      return exhaustionFault(delivery);
    case 'endpoint_deleted': {
      if (endpoint.deletedAt === null) return 'skipped for a deleted endpoint that was not deleted';
      const isAudited = facts.audit.some(
        ({ action, target }) => action === 'endpoint.deleted' && target === `endpoint:${endpoint.id}`,
      );
      return isAudited ? null : 'skipped for a deleted endpoint, and nobody’s deletion is audited';
    }
    case 'invalid_payload':
      if (sequence !== null) return 'skipped as invalid: on a lane that is for an operator to say';
      return record.payload_fault === null ? 'skipped as invalid, without a fault of its payload' : null;
    default:
      return `skipped for an unknown reason: "${reason}"`;
  }
}

function operatorFault({ endpoint, sequence }: Delivery, record: DeliveryRecord, facts: Facts): string | null {
  const lane = facts.lanes.get(laneKey(endpoint.id, record.stream_id));
  const command = lane?.commands.find(
    (one) => one.kind === 'skip' && one.sequence === sequence && one.result === 'applied',
  );
  if (!command) return 'skipped for an operator, but no skip of it was applied';
  const isAudited = facts.audit.some(
    ({ action, target, details }) =>
      action === 'lane.skip' &&
      target === `lane:${endpoint.id}/${record.stream_id}` &&
      Number(details?.['sequence']) === sequence,
  );
  return isAudited ? null : 'skipped by an operator without an audit entry';
}

function expiryFault({ event, sequence }: Delivery, record: DeliveryRecord): string | null {
  const type = event?.type ?? record.event_type;
  const expiresAfterMs = UNORDERED.get(type)?.expiresAfterMs;
  if (sequence !== null || expiresAfterMs === undefined) return `expired, but ${type} never expires`;
  return record.finishedAt < record.enqueuedAt + expiresAfterMs - DATABASE_CLOCK_MS ? 'expired before its time' : null;
}

/** Attempts that count are recorded with the exhaustion or before it; a probe or a cut request is none. */
function exhaustionFault({ endpoint, attempts }: Delivery): string | null {
  const counted = attempts.filter((attempt) => attempt.counted && attempt.outcome !== 'success').length;
  const due = endpoint.maxRetries + 1;
  return counted < due ? `given up after ${counted} failed attempts on record of ${due}` : null;
}
