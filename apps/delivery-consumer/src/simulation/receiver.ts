// The receivers and the network to them: every request as it was really sent, and what each side knows of its outcome.
import type { HttpRequest, HttpResult } from '#http-delivery';
import type { Dice, FakeClock, ProcessLife } from '#clock';
import type { Behaviour } from './scenario.ts';

/** One request, read from its own headers. */
export interface Exchange {
  consumer: string;
  endpoint: string;
  eventId: string;
  stream: string;
  sequence: number | null;
  attempt: number;
  epoch: number;
  type: string;
  body: Buffer;
  sentAt: number;
  /** The process stood still between its decision to send and the first byte. */
  wasHeldUp: boolean;
  /** The receiver answered 2xx, whether or not anybody heard it. */
  acceptedAt: number | null;
  /** What the sender was told. */
  result: HttpResult | null;
  resultAt: number | null;
}

export interface ReceiverPorts {
  clock: FakeClock;
  dice: Dice;
  netLatencyMs: number;
  behaviourOf(endpoint: string, eventId: string): Behaviour;
  /** Before the request leaves. */
  onSend(exchange: Exchange): void;
  onAccept(exchange: Exchange): void;
  onResult(exchange: Exchange): void;
}

export class Receivers {
  readonly #ports: ReceiverPorts;

  constructor(ports: ReceiverPorts) {
    this.#ports = ports;
  }

  static url(endpoint: string): string {
    return `https://${endpoint}.example/`;
  }

  async send(life: ProcessLife, consumer: string, request: HttpRequest): Promise<HttpResult> {
    // A process that stands still sends nothing until it goes on.
    const wasHeldUp = !life.isRunning;
    if (wasHeldUp) await new Promise<void>((resolve) => life.deliver(resolve));
    const { clock } = this.#ports;
    const exchange = { ...exchangeOf(consumer, request, clock.now()), wasHeldUp };
    this.#ports.onSend(exchange);
    return new Promise((resolve) => {
      const end = (result: HttpResult) =>
        life.deliver(() => {
          if (exchange.result) return;
          exchange.result = result;
          exchange.resultAt = clock.now();
          this.#ports.onResult(exchange);
          resolve(result);
        });
      const failed = (errorClass: 'timeout' | 'aborted') =>
        end({ kind: 'failed', errorClass, durationMs: clock.now() - exchange.sentAt, bytesSent: true });
      life.schedule(request.timeoutMs, () => failed('timeout'));
      request.signal?.addEventListener('abort', () => failed('aborted'), { once: true });
      this.#travel(exchange, end);
    });
  }

  /** The request goes its way whatever becomes of its sender. */
  #travel(exchange: Exchange, end: (result: HttpResult) => void): void {
    const { clock, dice, netLatencyMs } = this.#ports;
    const behaviour = this.#ports.behaviourOf(exchange.endpoint, exchange.eventId);
    const durationMs = () => clock.now() - exchange.sentAt;
    if (behaviour === 'blocked' || behaviour === 'refused') {
      const errorClass = behaviour === 'blocked' ? 'blocked_target' : 'connection_refused';
      return void clock.schedule(0, () =>
        end({ kind: 'failed', errorClass, durationMs: durationMs(), bytesSent: false }),
      );
    }
    const answerIn = (delayMs: number, statusCode: number, headers: Record<string, string> = {}) =>
      clock.schedule(delayMs, () =>
        end({ kind: 'response', statusCode, headers, bodyHead: '', durationMs: durationMs() }),
      );
    const backMs = dice.between(0, netLatencyMs);
    clock.schedule(dice.between(0, netLatencyMs), () => {
      switch (behaviour) {
        case 'hang':
          return;
        case 'error':
          return void answerIn(backMs, 500);
        case 'retry_after':
          return void answerIn(backMs, 503, { 'retry-after': '1' });
        case 'gone':
          return void answerIn(backMs, 410);
        case 'answer_lost':
          this.#accept(exchange);
          return void clock.schedule(backMs, () =>
            end({ kind: 'failed', errorClass: 'connection_reset', durationMs: durationMs(), bytesSent: true }),
          );
        case 'slow':
        case 'ok':
          this.#accept(exchange);
          return void answerIn(backMs + (behaviour === 'slow' ? dice.between(500, 3_000) : dice.between(0, 10)), 200);
      }
    });
  }

  #accept(exchange: Exchange): void {
    exchange.acceptedAt = this.#ports.clock.now();
    this.#ports.onAccept(exchange);
  }
}

function exchangeOf(consumer: string, { url, headers, body }: HttpRequest, sentAt: number): Exchange {
  const sequence = headers['X-Webhook-Sequence'];
  return {
    consumer,
    endpoint: new URL(url).hostname.replace(/[.]example$/, ''),
    eventId: headers['X-Webhook-Event-Id']!,
    stream: headers['X-Webhook-Stream-Id']!,
    sequence: sequence === undefined ? null : Number(sequence),
    attempt: Number(headers['X-Webhook-Attempt']),
    epoch: Number(headers['X-Webhook-Epoch']),
    type: headers['X-Webhook-Event-Type']!,
    body,
    sentAt,
    wasHeldUp: false,
    acceptedAt: null,
    result: null,
    resultAt: null,
  };
}

/** The receiver's 2xx reached a sender. */
export function isSuccess({ result }: Exchange): boolean {
  return result?.kind === 'response' && result.statusCode >= 200 && result.statusCode < 300;
}
