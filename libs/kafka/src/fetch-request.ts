// Encodes a Kafka Fetch request (version 11) in one buffer.
import { RequestWriter } from './request-writer.ts';

export interface FetchRequest {
  replicaId: number;
  maxWaitTime: number;
  minBytes: number;
  maxBytes: number;
  isolationLevel: number;
  topics: readonly {
    topic: string;
    partitions: readonly { partition: number; fetchOffset: string; maxBytes: number }[];
  }[];
  rackId: string;
}

const UNKNOWN = -1;
const NO_SESSION = 0;
/** Neither begins a session nor goes on with one: each request names all partitions. */
const FINAL_EPOCH = -1;
const FIXED_BYTES = 35;
const TOPIC_BYTES = 6;
const PARTITION_BYTES = 28;

/** Body of the request, outside of fetch sessions. Source: Kafka protocol guide, "Fetch API". */
export function encodeFetchRequest(request: FetchRequest): RequestWriter {
  const { topics, rackId } = request;
  const out = new RequestWriter(requestBytes(request));
  out.int32(request.replicaId);
  out.int32(request.maxWaitTime);
  out.int32(request.minBytes);
  out.int32(request.maxBytes);
  out.int8(request.isolationLevel);
  out.int32(NO_SESSION);
  out.int32(FINAL_EPOCH);
  out.int32(topics.length);
  for (const { topic, partitions } of topics) {
    out.int16(Buffer.byteLength(topic));
    out.text(topic);
    out.int32(partitions.length);
    for (const { partition, fetchOffset, maxBytes } of partitions) {
      out.int32(partition);
      out.int32(UNKNOWN); // leader epoch
      out.int64(BigInt(fetchOffset));
      out.int64(BigInt(UNKNOWN)); // the log's start: for followers only
      out.int32(maxBytes);
    }
  }
  out.int32(0); // topics that a session shall forget
  out.int16(Buffer.byteLength(rackId));
  out.text(rackId);
  return out;
}

function requestBytes({ topics, rackId }: FetchRequest): number {
  let bytes = FIXED_BYTES + Buffer.byteLength(rackId);
  for (const { topic, partitions } of topics) {
    bytes += TOPIC_BYTES + Buffer.byteLength(topic) + partitions.length * PARTITION_BYTES;
  }
  return bytes;
}
