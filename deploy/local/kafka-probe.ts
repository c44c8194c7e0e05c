// Asks a Kafka broker over the wire whether it is ready, without a client library and its retries and warnings.
import { connect } from 'node:net';

// Request keys and the lowest versions that carry what is asked here: https://kafka.apache.org/protocol
const METADATA = { key: 3, version: 1 };
const OFFSET_FETCH = { key: 9, version: 2 };
const FIND_COORDINATOR = { key: 10, version: 1 };

const NO_ERROR = 0;
const ANSWER_WITHIN_MS = 3_000;
const LARGEST_ANSWER = 1024 * 1024;

/** Ports of the brokers that this broker knows; empty while the cluster has no controller. */
export async function knownBrokers(port: number): Promise<number[]> {
  const noTopics = int32(0);
  const answer = await request(port, METADATA, noTopics);
  const brokers = answer.array(() => {
    answer.int32(); // node id
    answer.string(); // host
    const brokerPort = answer.int32();
    answer.string(); // rack
    return brokerPort;
  });
  return answer.int32() < 0 ? [] : brokers;
}

/**
 * True when the coordinator of a consumer group answers for it. Asking for the first time makes the cluster create
 * its offsets topic; until that is loaded the answer is false.
 */
export async function coordinatorAnswers(port: number, group: string): Promise<boolean> {
  const groupType = Buffer.from([0]);
  const found = await request(port, FIND_COORDINATOR, Buffer.concat([string(group), groupType]));
  found.int32(); // throttle time
  if (found.int16() !== NO_ERROR) return false;
  found.string(); // message
  found.int32(); // node id
  found.string(); // host
  const coordinatorPort = found.int32();
  const allTopics = int32(-1);
  const offsets = await request(coordinatorPort, OFFSET_FETCH, Buffer.concat([string(group), allTopics]));
  const topics = offsets.array(() => {
    throw new Error('a group that nobody uses has offsets');
  });
  return topics.length === 0 && offsets.int16() === NO_ERROR;
}

function request(port: number, api: { key: number; version: number }, body: Buffer): Promise<Answer> {
  const correlation = 1;
  const header = Buffer.concat([int16(api.key), int16(api.version), int32(correlation), string('local-stack')]);
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' });
    let received = Buffer.alloc(0);
    socket.setTimeout(ANSWER_WITHIN_MS, () => socket.destroy(new Error(`no answer from port ${port}`)));
    socket.once('error', reject);
    socket.once('close', () => reject(new Error(`port ${port} closed the connection`)));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4) return;
      const length = received.readInt32BE();
      if (length < 4 || length > LARGEST_ANSWER) return void socket.destroy(new Error(`port ${port} is not Kafka`));
      if (received.length < 4 + length) return;
      resolve(new Answer(received.subarray(8, 4 + length)));
      socket.destroy();
    });
    socket.write(Buffer.concat([int32(header.length + body.length), header, body]));
  });
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(value: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
}

/** Reads the fields of an answer one after the other. */
class Answer {
  private at = 0;
  private readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  int16(): number {
    return this.bytes.readInt16BE((this.at += 2) - 2);
  }

  int32(): number {
    return this.bytes.readInt32BE((this.at += 4) - 4);
  }

  string(): string | null {
    const length = this.int16();
    if (length < 0) return null;
    return this.bytes.toString('utf8', this.at, (this.at += length));
  }

  array<T>(readOne: () => T): T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, readOne);
  }
}
