// The yardstick, a process of its own: a bare undici loop that signs and POSTs the same events to the same receiver.
import { randomUUID } from 'node:crypto';
import { Pool } from 'undici';
import { generateSecret, signRequest } from '#signing';
import { monotonicMs, payloadOf, sequenceOf, streamIdOf, streamOf, typeOf } from './load.ts';
import { serveRole } from './processes.ts';

export interface PostPlan {
  origin: string;
  path: string;
  requests: number;
  streams: number;
  inFlight: number;
  payloadBytes: number;
}

/** Requests per second over keep-alive connections, one request on each at a time. */
async function post(plan: PostPlan): Promise<number> {
  const pool = new Pool(plan.origin, { connections: plan.inFlight, pipelining: 1 });
  // Of the next requests: bodies are at hand in Waybill too, where PostgreSQL and Kafka deliver them.
  const payloads = Array.from({ length: Math.min(plan.requests, 1_000) }, (_, event) =>
    Buffer.from(payloadOf(event, plan.streams, plan.payloadBytes)),
  );
  const secret = generateSecret('signed-json');
  let next = 0;
  const line = async () => {
    while (next < plan.requests) {
      const event = next++;
      await postOne(pool, plan, event, { payload: payloads[event % payloads.length]!, secret });
    }
  };
  try {
    const startedAt = monotonicMs();
    await Promise.all(Array.from({ length: plan.inFlight }, line));
    return (plan.requests * 1_000) / (monotonicMs() - startedAt);
  } finally {
    await pool.close();
  }
}

async function postOne(
  pool: Pool,
  { path, streams }: PostPlan,
  event: number,
  { payload, secret }: { payload: Buffer; secret: string },
): Promise<void> {
  const [eventId, eventType] = [randomUUID(), typeOf(event, streams)];
  const signed = signRequest({ format: 'signed-json', eventId, eventType, payload, secret, at: new Date() });
  const headers = {
    'Content-Type': 'application/json',
    'X-Webhook-Event-Id': eventId,
    'X-Webhook-Event-Type': eventType,
    'X-Webhook-Stream-Id': streamIdOf(streamOf(event, streams)),
    'X-Webhook-Sequence': String(sequenceOf(event, streams)),
    'X-Webhook-Attempt': '1',
    'X-Webhook-Epoch': '1',
    ...signed.headers,
  };
  const { statusCode, body } = await pool.request({ method: 'POST', path, headers, body: signed.body });
  await body.dump();
  if (statusCode !== 200) throw new Error(`the receiver answered ${statusCode}`);
}

const api = { post };
export type Yardstick = typeof api;
serveRole(api);
