// The operator's hands: the status service's API, patient with a service that is down for a while.
import { setTimeout as delay } from 'node:timers/promises';

export const ADMIN_TOKEN = 'a-chaos-admin-token-that-nobody-may-log';

const ANSWER_WITHIN_MS = 10_000;

export interface ApiAnswer {
  /** 0: no answer. */
  status: number;
  body: any;
}

export interface HaltedLane {
  endpointId: string;
  streamId: string;
  headSequence: number;
  reason: string | null;
}

export class Api {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  async call(method: string, path: string, body?: unknown): Promise<ApiAnswer> {
    try {
      const response = await fetch(`${this.#url}${path}`, {
        method,
        signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
        headers: {
          authorization: `Bearer ${ADMIN_TOKEN}`,
          connection: 'close',
          ...(body !== undefined && { 'content-type': 'application/json' }),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, body: text === '' ? null : JSON.parse(text) };
    } catch (error) {
      return { status: 0, body: String(error) };
    }
  }

  /** Until it answers with success. @throws after `withinMs` */
  async insist(method: string, path: string, body?: unknown, withinMs = 30_000): Promise<any> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      const answer = await this.call(method, path, body);
      if (answer.status >= 200 && answer.status < 300) return answer.body;
      const isFinal = answer.status >= 400 && answer.status < 500;
      if (isFinal || performance.now() > deadline) {
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
      }
      await delay(250);
    }
  }

  /** At most `limit`; empty when there is no answer. */
  async haltedLanes(limit: number): Promise<HaltedLane[]> {
    const { status, body } = await this.call('GET', `/v1/lanes?state=halted&limit=${limit}`);
    return status === 200 ? (body.items as HaltedLane[]) : [];
  }
}
