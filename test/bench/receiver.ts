// The receiver, a process of its own: answers as cheaply as node:http can, and judges what arrives.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { seededRandom } from '#clock';
import { eventAt, monotonicMs, moodOf, streamFromId } from './load.ts';
import { serveRole } from './processes.ts';

export interface Expectation {
  /** Requests whose path begins with this belong to the run; others are answered and not judged. */
  path: string;
  events: number;
  streams: number;
  /** Before the answer. */
  delayMs: number;
  /** 0 to 1: answered with 500, at random. */
  failureShare: number;
  /** Some streams fail always, some get no answer (see moodOf), until `heal`. */
  disturbed: boolean;
}

export interface Verdict {
  /** Different events that were answered with 200. */
  delivered: number;
  requests: number;
  refused: number;
  /** Requests for an event whose predecessor in the stream had not been answered with 200. */
  orderViolations: number;
  /** Requests for an event that had been answered with 200 before. */
  duplicates: number;
  /** Requests whose attempt number is not above that of the event's last one: one of the two can't be on record. */
  repeatedAttempts: number;
  /** Requests for events that were never written. */
  phantoms: number;
  /** By event: monotonic ms when the request that was answered with 200 had arrived whole; 0 for none. */
  arrivedAt: Float64Array;
}

interface Run extends Expectation {
  verdict: Verdict;
  lastSequence: Uint32Array;
  lastAttempt: Uint8Array;
  unanswered: ServerResponse[];
  random: () => number;
}

let run: Run | null = null;

function receive(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  request.on('end', () => {
    if (run === null || !request.url!.startsWith(run.path)) answer(response, 200);
    else judge(run, request, response);
  });
}

function judge(current: Run, { headers }: IncomingMessage, response: ServerResponse): void {
  const at = monotonicMs();
  const { verdict, lastSequence, lastAttempt } = current;
  const stream = streamFromId(headers['x-webhook-stream-id'] as string);
  const sequence = Number(headers['x-webhook-sequence']);
  const event = eventAt(stream, sequence, current.streams);
  verdict.requests++;
  if (!(stream < current.streams && event < current.events)) {
    verdict.phantoms++;
    return answer(response, 200);
  }
  if (sequence > lastSequence[stream]! + 1) verdict.orderViolations++;
  if (verdict.arrivedAt[event]! > 0) verdict.duplicates++;
  const attempt = Number(headers['x-webhook-attempt']);
  if (attempt <= lastAttempt[event]!) verdict.repeatedAttempts++;
  lastAttempt[event] = attempt;
  const mood = current.disturbed ? moodOf(stream) : 'healthy';
  if (mood === 'hanging') return void current.unanswered.push(response);
  if (mood === 'failing' || current.random() < current.failureShare) {
    verdict.refused++;
    return answerAfter(current.delayMs, response, 500);
  }
  const succeed = () => {
    if (verdict.arrivedAt[event] === 0) {
      verdict.arrivedAt[event] = at;
      verdict.delivered++;
    }
    lastSequence[stream] = Math.max(lastSequence[stream]!, sequence);
    answer(response, 200);
  };
  if (current.delayMs === 0) succeed();
  else setTimeout(succeed, current.delayMs);
}

function answerAfter(delayMs: number, response: ServerResponse, status: number): void {
  if (delayMs === 0) answer(response, status);
  else setTimeout(() => answer(response, status), delayMs);
}

function answer(response: ServerResponse, status: number): void {
  response.statusCode = status;
  response.setHeader('content-length', '0');
  response.end();
}

const server = createServer(receive);
// Longer than any sender keeps a connection: the sender closes first, so that no request meets a closing socket.
server.keepAliveTimeout = 120_000;

const api = {
  async listen(_: null): Promise<number> {
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', 1_024, resolve));
    return (server.address() as AddressInfo).port;
  },
  expect(expectation: Expectation): void {
    run = {
      ...expectation,
      verdict: {
        delivered: 0,
        requests: 0,
        refused: 0,
        orderViolations: 0,
        duplicates: 0,
        repeatedAttempts: 0,
        phantoms: 0,
        arrivedAt: new Float64Array(expectation.events),
      },
      lastSequence: new Uint32Array(expectation.streams),
      lastAttempt: new Uint8Array(expectation.events),
      unanswered: [],
      random: seededRandom(1),
    };
  },
  /** All streams are healthy from now on. */
  heal(_: null): void {
    if (run === null) return;
    run.disturbed = false;
    for (const response of run.unanswered.splice(0)) answer(response, 500);
  },
  delivered(_: null): number {
    return run?.verdict.delivered ?? 0;
  },
  verdict(_: null): Verdict {
    if (run === null) throw new Error('nothing was expected');
    return run.verdict;
  },
};
export type Receiver = typeof api;
serveRole(api);
