// C2: what was delivered, recorded or published, but never committed, or not for this receiver.
import { type Delivery, deliveryKey, type Facts, targetsOf } from './facts.ts';
import type { Findings } from './findings.ts';
import type { TopicRecord } from './history.ts';
import { readLines } from './read-lines.ts';

export async function findPhantoms(facts: Facts, findings: Findings): Promise<void> {
  for (const { n, path, why } of facts.strays) findings.violation(`a request to nowhere: ${why}`, { n, path });
  for (const delivery of facts.deliveries.values()) {
    const fault = phantomFault(delivery, facts);
    if (fault === null) continue;
    const { endpoint, eventId, requests, records } = delivery;
    const where = requests.length > 0 ? 'delivered' : 'recorded';
    const about = { eventId, endpointId: endpoint.id, path: endpoint.path, n: requests[0]?.n ?? null };
    findings.violation(`${where}, ${fault}`, {
      ...about,
      streamId: records[0]?.stream_id ?? requests[0]?.streamId ?? null,
    });
  }
  await checkTopic(facts, findings);
}

function phantomFault({ endpoint, event }: Delivery, facts: Facts): string | null {
  if (!event) return 'but nobody wrote it';
  if (event.outcome === 'rolled_back') return 'but its transaction was rolled back';
  if (!targetsOf(event, facts).may.includes(endpoint)) return 'but this endpoint was not to get it';
  return null;
}

async function checkTopic(facts: Facts, findings: Findings): Promise<void> {
  const topic = `${facts.manifest.topicPrefix}.events`;
  for await (const record of readLines<TopicRecord>(facts.folder, 'topics.jsonl')) {
    const eventId = record.headers['ce_id'];
    // What tests put there themselves has no id, or one that no request and no row bears: C1 and C12 see to its lane.
    if (record.topic !== topic || eventId === undefined) continue;
    findings.count('records on the topic');
    const about = { eventId, topic, partition: record.partition, offset: String(record.offset) };
    if (facts.byEventId.get(eventId)?.outcome === 'rolled_back')
      findings.violation('published, but its transaction was rolled back', about);
    for (const endpointId of targetIds(record.headers['waybill-targets'])) {
      if (facts.deliveries.has(deliveryKey(endpointId, eventId))) findings.count('targets with a delivery');
    }
  }
}

function targetIds(header: string | undefined): string[] {
  try {
    return (JSON.parse(header ?? '[]') as [string, number | null][]).map(([endpointId]) => endpointId);
  } catch {
    return [];
  }
}
