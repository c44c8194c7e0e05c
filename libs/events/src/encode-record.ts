// Writes an event as a log record: CloudEvents 1.0 in Kafka's binary mode, the payload's own bytes as the value.
import { FRAME_BYTES, isTraceparent, type WaybillEvent } from './event.ts';

export interface EncodedRecord {
  /** The stream id: what the partition is computed from. */
  key: string;
  value: Buffer;
  headers: Record<string, string>;
}

/**
 * Headers by the CloudEvents Kafka protocol binding 1.0.2 (binary mode) and Waybill's own; value = the schema registry's
 * wire format (zero byte, schema id as int32 big-endian) and the payload as it was committed. Does not check the event:
 * the publish function did, and `decodeRecord` is the judge. Throws RangeError for a schema id outside int32.
 */
export function encodeRecord(event: WaybillEvent, schemaId: number): EncodedRecord {
  const { payload, traceparent, payloadFault } = event;
  const value = Buffer.allocUnsafe(FRAME_BYTES + payload.length);
  value[0] = 0;
  value.writeInt32BE(schemaId, 1);
  payload.copy(value, FRAME_BYTES);
  const headers: Record<string, string> = {
    ce_specversion: '1.0',
    ce_id: event.eventId,
    ce_type: event.type,
    ce_source: `/waybill/${encodeURIComponent(event.tenantId)}`,
    ce_subject: event.streamId,
    ce_time: event.occurredAt,
    'content-type': 'application/json',
    'waybill-tenant': event.tenantId,
    'waybill-targets': JSON.stringify(event.targets.map(({ endpointId, sequence }) => [endpointId, sequence])),
    'waybill-enqueued-at': event.enqueuedAt,
  };
  if (traceparent !== undefined && isTraceparent(traceparent)) headers.traceparent = traceparent;
  if (payloadFault !== undefined) headers['waybill-payload-fault'] = payloadFault;
  return { key: event.streamId, value, headers };
}
