// From outbox rows to records on the log: schema check, CloudEvents headers, explicit partition, acknowledged by all replicas.
import { encodeRecord, type Target, type WaybillEvent } from '#events';
import { validatePayload } from '#events/validate';
import { type LogProducer, partitionFor, type ProducedRecord, RecordTooLarge } from '#kafka';
import type { OutboxRow } from '#outbox';
import type { SchemaIds } from '#schema-registry';
import type { RelayMetrics } from './metrics.ts';

export interface PublishPorts {
  producer: Pick<LogProducer, 'send'>;
  schemaIds: Pick<SchemaIds, 'idFor'>;
  topic: string;
  partitions: number;
  metrics: Pick<RelayMetrics, 'invalidPayloads' | 'oversized'>;
}

/** Makes the function that publishes rows in the given order and resolves when all are acknowledged. */
export function createPublish(ports: PublishPorts): (rows: readonly OutboxRow[]) => Promise<void> {
  return async (rows) => {
    const events = rows.map((row) => toEvent(row, ports.metrics));
    const records = await Promise.all(events.map((event) => toRecord(event, ports)));
    for (;;) {
      const refused = await send(records, ports);
      if (!refused) return;
      // Kafka takes no record of this size: a stub goes in its place and halts its lanes, the others are sent again.
      const index = records.indexOf(refused);
      records[index] = await toRecord(
        { ...events[index]!, payload: Buffer.from('null'), payloadFault: TOO_LARGE },
        ports,
      );
      ports.metrics.oversized.inc();
    }
  };
}

const TOO_LARGE = 'the record is larger than Kafka takes: raise max.message.bytes';

/** Returns the record that Kafka refuses as too large, if there is one. */
async function send(
  records: readonly ProducedRecord[],
  { producer }: PublishPorts,
): Promise<ProducedRecord | undefined> {
  try {
    await producer.send(records);
    return undefined;
  } catch (error) {
    if (error instanceof RecordTooLarge && records.includes(error.record)) return error.record;
    throw error;
  }
}

function toEvent(row: OutboxRow, metrics: PublishPorts['metrics']): WaybillEvent {
  const faults = findFaults(row);
  if (faults.length > 0) metrics.invalidPayloads.inc();
  return {
    eventId: row.eventId,
    type: row.type,
    tenantId: row.tenantId,
    streamId: row.streamId,
    occurredAt: row.occurredAt,
    enqueuedAt: row.enqueuedAt,
    targets: (JSON.parse(row.targets) as [string, number | null][]).map(([endpointId, sequence]): Target => ({
      endpointId,
      sequence,
    })),
    payload: Buffer.from(row.payload),
    ...(row.traceparent === null ? {} : { traceparent: row.traceparent }),
    ...(faults.length === 0 ? {} : { payloadFault: faults.join('; ').slice(0, 500) }),
  };
}

/** A payload that nothing can parse is a fault like any other: one row must never stall its shard. */
function findFaults(row: OutboxRow): string[] {
  try {
    return validatePayload(row.type, JSON.parse(row.payload));
  } catch {
    return ['the payload cannot be parsed'];
  }
}

async function toRecord(event: WaybillEvent, { schemaIds, topic, partitions }: PublishPorts): Promise<ProducedRecord> {
  return {
    topic,
    partition: partitionFor(event.streamId, partitions),
    ...encodeRecord(event, await schemaIds.idFor(event.type)),
  };
}
