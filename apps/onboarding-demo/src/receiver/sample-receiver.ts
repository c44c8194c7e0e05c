// What a customer's system does with webhooks: check each request, take it once, answer quickly. It can be told to fail for a while.
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '#clock';
import { decryptEnvelope, type Format, type ReceivedHeaders, verifySignedJson, verifyStandardWebhook } from '#signing';

export interface Subscription {
  /** Its path, without the slash: the endpoint's URL is `<receiver>/<name>`. */
  name: string;
  format: Format;
  secret: string;
}

/** One request, as it was answered. */
export interface Arrival {
  /** By the monotonic clock. */
  atMs: number;
  subscription: string;
  streamId: string;
  /** Null for unordered types. */
  sequence: number | null;
  eventType: string;
  eventId: string;
  attempt: number;
  /** What the request was refused for, or null: its signature is good and its body could be read. */
  fault: string | null;
  statusCode: number;
}

export interface SampleReceiverOptions {
  clock: Clock;
  /** Called for each request, after the decision and before the answer. */
  onArrival: (arrival: Arrival) => void;
}

const MOST_BODY_BYTES = 1_048_576;

export class SampleReceiver {
  readonly #options: SampleReceiverOptions;
  readonly #server: Server;
  readonly #subscriptions = new Map<string, Subscription>();
  /** Streams that are refused, as `<subscription> <stream>`, and until when. */
  readonly #failing = new Map<string, number>();

  constructor(options: SampleReceiverOptions) {
    this.#options = options;
    this.#server = createServer((request, response) => {
      this.#answer(request).then(
        (statusCode) => response.writeHead(statusCode).end(),
        () => response.destroy(),
      );
    });
  }

  /** Port 0 takes a free one. Returns the receiver's address. */
  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(port, '127.0.0.1', resolve);
    });
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on requests to its path are answered; before, they get 404. */
  subscribe(subscription: Subscription): void {
    this.#subscriptions.set(`/${subscription.name}`, subscription);
  }

  /**
   * From now on the ordered events of a stream are refused with 503. An event without a sequence still gets through: as
   * if the ledger were down, but not the part that asks a person for a code.
   */
  failFor(subscription: string, streamId: string, forMs: number): void {
    this.#failing.set(`${subscription} ${streamId}`, this.#options.clock.monotonic() + forMs);
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage): Promise<number> {
    const body = await readBody(request);
    const subscription = this.#subscriptions.get(request.url ?? '');
    if (request.method !== 'POST' || !subscription) return 404;
    const { clock, onArrival } = this.#options;
    const atMs = clock.monotonic();
    const fault = this.#check(subscription, request.headers, body);
    const one = (name: string) => String(request.headers[name] ?? '');
    const streamId = one('x-webhook-stream-id');
    const sequence = one('x-webhook-sequence') === '' ? null : Number(one('x-webhook-sequence'));
    const isFailing = sequence !== null && atMs < (this.#failing.get(`${subscription.name} ${streamId}`) ?? 0);
    const statusCode = fault !== null ? 401 : isFailing ? 503 : 200;
    onArrival({
      atMs,
      subscription: subscription.name,
      streamId,
      sequence,
      eventType: one('x-webhook-event-type'),
      eventId: one('x-webhook-event-id'),
      attempt: Number(one('x-webhook-attempt')),
      fault,
      statusCode,
    });
    return statusCode;
  }

  /** Null when the request is from Waybill, unchanged and fresh; otherwise why not. */
  #check({ format, secret }: Subscription, headers: ReceivedHeaders, body: Buffer): string | null {
    const at = new Date(this.#options.clock.now());
    switch (format) {
      case 'signed-json':
      case 'standard-webhooks': {
        const verify = format === 'signed-json' ? verifySignedJson : verifyStandardWebhook;
        const verdict = verify({ headers, body, secrets: [secret], at });
        return verdict.ok ? jsonFault(body) : verdict.reason;
      }
      case 'encrypted-envelope': {
        const opened = decryptEnvelope(body, secret);
        return opened.ok ? jsonFault(opened.payload) : opened.reason;
      }
    }
  }
}

function jsonFault(payload: Buffer): string | null {
  try {
    JSON.parse(payload.toString());
    return null;
  } catch {
    return 'not_json';
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MOST_BODY_BYTES) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
