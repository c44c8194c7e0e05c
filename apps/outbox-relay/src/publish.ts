// From outbox rows to records on the log: schema check, CloudEvents headers, explicit partition, acknowledged by all replicas.
import { type CommittedEvent, encodeCommitted } from '#events';
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
    const idOf = await findSchemaIds(rows, ports.schemaIds);
    const toRecord = (row: CommittedEvent): ProducedRecord => ({
      topic: ports.topic,
      partition: partitionFor(row.streamId, ports.partitions),
      ...encodeCommitted(row, idOf.get(row.type)!),
    });
    const records = rows.map((row) => toRecord(marked(row, ports.metrics)));
    for (;;) {
      const refused = await send(records, ports);
      if (!refused) return;
      // Kafka takes no record of this size: a stub goes in its place and halts its lanes, the others are sent again.
      const index = records.indexOf(refused);
      records[index] = toRecord({ ...rows[index]!, payload: 'null', payloadFault: TOO_LARGE });
      ports.metrics.oversized.inc();
    }
  };
}

const TOO_LARGE = 'the record is larger than Kafka takes: raise max.message.bytes';

/** By type. A page has few types and many rows, and a promise a row is garbage. */
async function findSchemaIds(
  rows: readonly OutboxRow[],
  schemaIds: PublishPorts['schemaIds'],
): Promise<Map<string, number>> {
  const types = [...new Set(rows.map((row) => row.type))];
  const ids = await Promise.all(types.map((type) => schemaIds.idFor(type)));
  return new Map(types.map((type, index) => [type, ids[index]!]));
}

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

/** The row itself, or with its payload's faults. */
function marked(row: OutboxRow, metrics: PublishPorts['metrics']): CommittedEvent {
  const faults = findFaults(row);
  if (faults.length === 0) return row;
  metrics.invalidPayloads.inc();
  return { ...row, payloadFault: faults.join('; ').slice(0, 500) };
}

/** A payload that nothing can parse is a fault like any other: one row must never stall its shard. */
function findFaults(row: OutboxRow): string[] {
  try {
    return validatePayload(row.type, JSON.parse(row.payload));
  } catch {
    return ['the payload cannot be parsed'];
  }
}
