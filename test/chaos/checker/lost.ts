// C1: a committed event that did not reach its end at each endpoint that wants it.
import {
  aboutDelivery,
  type Delivery,
  deliveryKey,
  type Facts,
  isSeen,
  laneKey,
  targetsOf,
  type WrittenEvent,
} from './facts.ts';
import type { Findings } from './findings.ts';
import type { Endpoint } from './history.ts';
import { endFault, terminalRecord } from './terminal.ts';

export function findLost(facts: Facts, findings: Findings): void {
  if (facts.manifest.quiescedAt === null) findings.violation('it never came to rest: what is not terminal is lost');
  findings.figure('committed events', facts.events.filter(({ outcome }) => outcome === 'committed').length);
  const captured = capturedTransactions(facts);
  for (const event of facts.events) {
    const isSure = event.outcome === 'committed' || event.calls.some(({ tx }) => captured.has(tx));
    if (event.outcome === 'unknown')
      findings.count(isSure ? 'unknown outcome, committed' : 'unknown outcome, not seen');
    if (isSure) checkEvent(event, facts, findings);
  }
  for (const lane of facts.lanes.values()) {
    const reason = lane.row?.state === 'halted' ? lane.row.reason : null;
    if (reason !== null && !['exhausted', 'invalid_payload'].includes(reason))
      findings.violation(`a lane halted: ${reason}`, { endpointId: lane.endpoint.id, streamId: lane.streamId });
  }
}

/** Transactions of unknown outcome of which anything was seen: then all of them must be there. */
function capturedTransactions(facts: Facts): Set<number | string> {
  const seen = facts.events.filter((event) => event.outcome === 'unknown' && isSeen(event, facts));
  return new Set(seen.flatMap(({ calls }) => calls.map(({ tx }) => tx)));
}

function checkEvent(event: WrittenEvent, facts: Facts, findings: Findings): void {
  const { must } = targetsOf(event, facts);
  const about = { eventId: event.eventId, streamId: event.streamId, key: event.key, type: event.type };
  if (event.eventId === null) {
    if (must.length > 0) findings.violation('committed and wanted, but it never got an id that anybody saw', about);
    return;
  }
  for (const endpoint of must) {
    const delivery = facts.deliveries.get(deliveryKey(endpoint.id, event.eventId));
    const fault = delivery ? deliveryFault(delivery, facts, findings) : 'nothing is known of it there';
    if (fault !== null)
      findings.violation(`lost: ${fault}`, delivery ? aboutDelivery(delivery) : { ...about, ...at(endpoint) });
  }
}

const at = ({ id, path }: Endpoint) => ({ endpointId: id, path });

function deliveryFault(delivery: Delivery, facts: Facts, findings: Findings): string | null {
  const record = terminalRecord(delivery);
  if (record) {
    findings.count(record.state);
    if (record.state !== 'delivered') return endFault(delivery, record, facts);
    return delivery.requests.some((request) => request.isAccepted)
      ? null
      : 'delivered on record, but nobody accepted it';
  }
  if (waitsForOperator(delivery, facts)) {
    findings.count('waiting for an operator');
    return null;
  }
  const states = delivery.records.map(({ table, state }) => `${state} in ${table}`);
  return `not terminal, ${states.join(' and ') || 'without a record'}`;
}

/** It stands at or behind the head of a halted lane, in PostgreSQL. */
function waitsForOperator({ endpoint, sequence, records }: Delivery, facts: Facts): boolean {
  const waiting = records.find(({ table }) => table === 'delivery');
  if (!waiting || sequence === null) return false;
  const row = facts.lanes.get(laneKey(endpoint.id, waiting.stream_id))?.row;
  return row?.state === 'halted' && sequence > row.delivered;
}
