// Writes an event as a log record: CloudEvents 1.0 in Kafka's binary mode, the payload's own bytes as the value.
import { FRAME_BYTES, isTraceparent, type WaybillEvent } from './event.ts';

export interface EncodedRecord {
  /** The stream id: what the partition is computed from. */
  key: string;
  value: Buffer;
  headers: Record<string, string>;
}

/** An event as the outbox stores it: texts that go into the record as they are. */
export interface CommittedEvent extends Omit<WaybillEvent, 'targets' | 'payload' | 'traceparent'> {
  /** JSON: `[[endpoint id, sequence or null], …]`. */
  targets: string;
  /** Text, or its UTF-8 bytes. */
  payload: string | Buffer;
  traceparent?: string | null;
}

/**
 * Headers by the CloudEvents Kafka protocol binding 1.0.2 (binary mode) and Waybill's own; value = the schema registry's
 * wire format (zero byte, schema id as int32 big-endian) and the payload as it was committed. Does not check the event:
 * the publish function did, and `decodeRecord` is the judge. Throws RangeError for a schema id outside int32.
 */
export function encodeCommitted(event: CommittedEvent, schemaId: number): EncodedRecord {
  const { traceparent, payloadFault } = event;
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: event.eventId,
    ce_type: event.type,
    ce_source: `/waybill/${encodeURIComponent(event.tenantId)}`,
    ce_subject: event.streamId,
    ce_time: event.occurredAt,
    'content-type': 'application/json',
    'waybill-tenant': event.tenantId,
    'waybill-targets': event.targets,
    'waybill-enqueued-at': event.enqueuedAt,
  };
  if (traceparent != null && isTraceparent(traceparent)) headers.traceparent = traceparent;
  if (payloadFault !== undefined) headers['waybill-payload-fault'] = payloadFault;
  return { key: event.streamId, value: framed(event.payload, schemaId), headers };
}

/** The same record, of an event that was decoded or made by hand. */
export function encodeRecord(event: WaybillEvent, schemaId: number): EncodedRecord {
  const targets = JSON.stringify(event.targets.map(({ endpointId, sequence }) => [endpointId, sequence]));
  return encodeCommitted({ ...event, targets }, schemaId);
}

function framed(payload: string | Buffer, schemaId: number): Buffer {
  const value = Buffer.allocUnsafe(FRAME_BYTES + Buffer.byteLength(payload));
  value[0] = 0;
  value.writeInt32BE(schemaId, 1);
  if (typeof payload === 'string') value.write(payload, FRAME_BYTES);
  else payload.copy(value, FRAME_BYTES);
  return value;
}
