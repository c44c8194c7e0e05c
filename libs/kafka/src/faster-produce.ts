// Puts our encoder of produce requests, and what sorts records by partition for it, in the place of kafkajs's slower ones.
import { type EncodedRequest, replaceModule, withBody } from './kafkajs-module.ts';
import { type ProduceRequest, writeProduceRequest } from './produce-request.ts';
import { RequestWriter } from './request-writer.ts';

// kafkajs makes a zeroed half-kilobyte buffer for each record and for each header, and sums checksums byte by byte:
// 31 µs for a 1 KB record with ten headers on a 2-core machine, 4 µs with ours. Versions below 7 (Kafka before 2.1),
// compression and idempotence stay with kafkajs. `faster-produce.spec.ts` holds both to the same bytes.
const VERSIONS = 'kafkajs/src/protocol/requests/produce/index.js';
const VERSION = 7;
// Copies the list of a partition's records for each record: a fifth of the garbage of a relay whose passes have 400 records.
const GROUPING = 'kafkajs/src/producer/groupMessagesPerPartition.js';

interface KafkaJsRequest extends ProduceRequest {
  compression?: number;
  transactionalId?: string | null;
  producerId?: unknown;
}

interface Response {
  decode: (data: Buffer) => Promise<object>;
}

export type Exchange = (request: KafkaJsRequest) => { request: EncodedRequest; response: Response };

/** What kafkajs exports of all versions of the request. */
export interface ProduceVersions {
  protocol: (chosen: { version: number }) => Exchange;
}

interface Ungrouped {
  topic: string;
  partitionMetadata: readonly unknown[];
  messages: readonly unknown[];
  partitioner: (given: { topic: string; partitionMetadata: readonly unknown[]; message: unknown }) => number;
}

export type GroupMessages = (ungrouped: Ungrouped) => Record<number, unknown[]>;

/** Call before kafkajs is loaded. */
export function installFasterProduce(): void {
  replaceModule<ProduceVersions>(VERSIONS, ({ protocol }) => typeof protocol === 'function', fasterVersions);
  replaceModule<GroupMessages>(
    GROUPING,
    (exports) => typeof exports === 'function',
    () => groupMessages,
  );
}

export function fasterVersions(original: ProduceVersions): ProduceVersions {
  const protocol = (chosen: { version: number }) => {
    const exchange = original.protocol(chosen);
    return chosen.version === VERSION ? fasterExchange(exchange) : exchange;
  };
  return { ...original, protocol };
}

/** The memory of requests that were answered, for those to come: as many and as large as a process that is busy needs. */
const idle: Buffer[] = [];
const MOST_IDLE = 2;
const FIRST_BYTES = 65_536;
const MOST_BYTES = 4 * 1_048_576;

function fasterExchange(original: Exchange): Exchange {
  return (given) => {
    const { request, response } = original(given);
    const isPlain = !given.compression && given.transactionalId == null && (given.producerId ?? -1) === -1;
    if (!isPlain) return { request, response };
    let writer: RequestWriter | undefined;
    const bodyOf = () => {
      writer = new RequestWriter(idle.pop() ?? Buffer.allocUnsafeSlow(FIRST_BYTES));
      writeProduceRequest(writer, given, Date.now());
      return writer;
    };
    // A broker answers what it has read to the end: nobody needs the bytes then. Without an answer they are left to the
    // garbage collector, for a socket may hold them still.
    const decode = (data: Buffer) => {
      if (writer && idle.length < MOST_IDLE && writer.buf.length <= MOST_BYTES) idle.push(writer.buf);
      writer = undefined;
      return response.decode(data);
    };
    return { request: withBody(request, bodyOf), response: { ...response, decode } };
  };
}

export function groupMessages({
  topic,
  partitionMetadata,
  messages,
  partitioner,
}: Ungrouped): Record<number, unknown[]> {
  const groups: Record<number, unknown[]> = {};
  if (partitionMetadata.length === 0) return groups;
  for (const message of messages) (groups[partitioner({ topic, partitionMetadata, message })] ??= []).push(message);
  return groups;
}
