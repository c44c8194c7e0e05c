// C6: event id, body and sequence are the same on every attempt and as they were written; an IV is used once.
import { aboutDelivery, type Delivery, type Facts, isOrdered } from './facts.ts';
import type { Findings } from './findings.ts';
import type { TopicRecord } from './history.ts';
import { createHash } from 'node:crypto';
import { readLines } from './read-lines.ts';

/** Zero byte and four bytes of schema id. */
const FRAMING_BYTES = 5;

export async function findChangedIdentity(facts: Facts, findings: Findings): Promise<void> {
  findings.figure('requests', facts.requests.length);
  for (const delivery of facts.deliveries.values()) {
    checkRequests(delivery, findings);
    checkRecords(delivery, findings);
  }
  checkIvs(facts, findings);
  checkSequences(facts, findings);
  await checkTopic(facts, findings);
}

function checkRequests(delivery: Delivery, findings: Findings): void {
  const { event, requests } = delivery;
  for (const request of requests) {
    const say = (message: string) => findings.violation(message, { ...aboutDelivery(delivery), n: request.n });
    for (const fault of request.headerFaults) say(`header: ${fault}`);
    if (request.sequence !== delivery.sequence)
      say(`its sequence is ${request.sequence}, on record or before it was ${delivery.sequence}`);
    // Who can't read a sealed body can't compare it: C7 objects.
    if (!event || (request.endpoint.format === 'encrypted-envelope' && request.signatureFaults.length > 0)) continue;
    if (request.sha256 !== event.sha256) say('its body is not the one that was written');
    if (request.type !== event.type) say(`its type is ${request.type}, written as ${event.type}`);
    if (request.streamId !== event.streamId) say(`its stream is ${request.streamId}, written as ${event.streamId}`);
    if ((request.sequence !== null) !== isOrdered(event.type)) say(`${event.type} with sequence ${request.sequence}`);
  }
}

function checkRecords(delivery: Delivery, findings: Findings): void {
  const { event, records } = delivery;
  for (const record of records) {
    const say = (message: string) => findings.violation(message, { ...aboutDelivery(delivery), table: record.table });
    if (!event) continue;
    if (record.payloadSha256 !== event.sha256) say('the payload on record is not the one that was written');
    if (record.event_type !== event.type || record.stream_id !== event.streamId || record.tenant_id !== event.tenantId)
      say('type, stream or tenant on record are not those that were written');
    if (record.sequence !== delivery.sequence) say('two records with different sequences');
  }
}

function checkIvs(facts: Facts, findings: Findings): void {
  const used = new Map<string, number>();
  for (const { iv, n, endpoint, eventId } of facts.requests) {
    if (iv === null) continue;
    const before = used.get(`${endpoint.id} ${iv}`);
    if (before === undefined) used.set(`${endpoint.id} ${iv}`, n);
    else findings.violation(`the IV of arrival ${before} again`, { n, eventId, path: endpoint.path });
  }
}

/** Two events may not claim one place in a lane. */
function checkSequences(facts: Facts, findings: Findings): void {
  for (const { deliveries } of facts.lanes.values()) {
    for (const [, ...others] of deliveries.values()) {
      for (const other of others) findings.violation('another event has its sequence', aboutDelivery(other));
    }
  }
}

async function checkTopic(facts: Facts, findings: Findings): Promise<void> {
  const topic = `${facts.manifest.topicPrefix}.events`;
  for await (const record of readLines<TopicRecord>(facts.folder, 'topics.jsonl')) {
    const { ce_id: eventId, ce_subject: streamId, 'waybill-payload-fault': fault } = record.headers;
    const event = facts.byEventId.get(eventId ?? '');
    if (record.topic !== topic || !event || record.valueBase64 === null) continue;
    const about = {
      eventId: eventId!,
      streamId: event.streamId,
      partition: record.partition,
      offset: String(record.offset),
    };
    const payload = Buffer.from(record.valueBase64, 'base64').subarray(FRAMING_BYTES);
    const sha256 = createHash('sha256').update(payload).digest('hex');
    // A stub stands for what Kafka refused as too large, and says so.
    if (sha256 !== event.sha256 && fault === undefined)
      findings.violation('the payload on the topic is not the one that was written', about);
    if (streamId !== event.streamId || record.key !== event.streamId)
      findings.violation('its stream or key on the topic is not the one that was written', about);
  }
}
