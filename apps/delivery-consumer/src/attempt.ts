// One attempt: sign now, send, classify, and put on record what the receiver saw.
import type { Clock } from '#clock';
import type { AttemptRow } from '#deliveries';
import type { EndpointPolicy } from '#endpoints';
import { eventTypeLabel } from '#events';
import { failpoint } from '#failpoint';
import type { HttpResult } from '#http-delivery';
import { classify, type Delivery, type Outcome } from '#lane';
import { signRequest, SigningFault } from '#signing';
import type { LineLogger } from '#telemetry';
import type { DatabaseClock } from './database-clock.ts';
import type { ConsumerMetrics } from './metrics.ts';
import type { OrderWitness } from './order-witness.ts';
import type { Partition } from './partition.ts';
import type { Sender } from './ports.ts';

export interface AttemptPorts {
  sender: Sender;
  clock: Clock;
  databaseClock: DatabaseClock;
  attemptLogger: LineLogger;
  metrics: ConsumerMetrics;
  witness: OrderWitness;
}

export interface AttemptInput {
  partition: Partition;
  delivery: Delivery;
  policy: EndpointPolicy;
  isProbe: boolean;
}

export interface AttemptDone {
  outcome: Outcome;
  /** For the journal; null when nothing was sent. */
  row: AttemptRow | null;
}

/** Sends the delivery once. Never throws for what a receiver or a tenant can cause. */
export async function attempt(input: AttemptInput, ports: AttemptPorts): Promise<AttemptDone> {
  const { partition, delivery, policy } = input;
  const startedAt = ports.databaseClock.now();
  const request = prepare(input, startedAt);
  if ('errorClass' in request) {
    const { errorClass, fault } = request;
    ports.metrics.targetsBlocked.inc({ reason: errorClass });
    const { endpointId, event } = delivery;
    ports.attemptLogger.warn({ endpointId, tenantId: event.tenantId, errorClass, fault }, 'endpoint held');
    return { outcome: { kind: 'held', errorClass }, row: null };
  }
  const epoch = partition.epoch;
  const earlierAttemptsPossible = delivery.attemptsEpoch !== epoch && partition.mayHaveBeenTried(delivery);
  if (earlierAttemptsPossible) ports.metrics.duplicateSends.inc({ cause: 'unclean_takeover' });
  else if (delivery.last?.isUnknown) ports.metrics.duplicateSends.inc({ cause: 'answer_lost' });
  delivery.attempts++;
  delivery.attemptsEpoch = epoch;
  delivery.firstAttemptAt ??= startedAt;
  const hit = failpoint('consumer.before_send');
  if (hit) await hit;
  ports.witness.starts(delivery, epoch);
  const sending = ports.sender.send({
    url: policy.url,
    headers: request.headers,
    body: request.body,
    timeoutMs: policy.timeoutMs,
    connections: policy.maxConcurrency,
    signal: partition.signal,
  });
  const hitInFlight = failpoint('consumer.in_flight');
  if (hitInFlight) await hitInFlight;
  const result = await sending;
  const outcome = classify(result, policy.successStatus, startedAt);
  const hitAfter = outcome.kind === 'success' ? failpoint('consumer.after_success_before_flush') : undefined;
  if (hitAfter) await hitAfter;
  const errorClass = outcome.kind === 'success' ? null : outcome.errorClass;
  const statusCode = result.kind === 'response' ? result.statusCode : null;
  const isUnknown = result.kind === 'failed' && result.bytesSent;
  delivery.last = { statusCode, errorClass, startedAt, durationMs: result.durationMs, isUnknown };
  report(input, result, outcome, ports);
  const row: AttemptRow = {
    partition: partition.number,
    event: delivery.event,
    endpointId: delivery.endpointId,
    epoch,
    number: delivery.attempts,
    outcome: outcome.kind === 'success' ? 'success' : isUnknown ? 'unknown' : 'failure',
    errorClass,
    statusCode,
    startedAt,
    durationMs: result.durationMs,
    counted: !input.isProbe && outcome.kind !== 'unknown' && outcome.kind !== 'held',
    earlierAttemptsPossible,
    requestHeaders: JSON.stringify(request.shownHeaders),
    responseHeaders: result.kind === 'response' ? JSON.stringify(result.headers) : null,
    responseBody: result.kind === 'response' && result.bodyHead !== '' ? result.bodyHead : null,
  };
  return { outcome, row };
}

/** Nothing can be signed; `fault` says why, without the secret. */
type Unusable = { errorClass: 'undecryptable_secret'; fault: string | undefined };
type Prepared = { headers: Record<string, string>; shownHeaders: Record<string, string>; body: Buffer };

function prepare({ partition, delivery, policy }: AttemptInput, at: number): Prepared | Unusable {
  if (policy.secret === null) return { errorClass: 'undecryptable_secret', fault: policy.secretFault };
  const { event, sequence } = delivery;
  try {
    const signed = signRequest({
      format: policy.format,
      eventId: event.eventId,
      eventType: event.type,
      payload: event.payload,
      secret: policy.secret,
      previousSecret:
        policy.previousSecretUntilAt !== undefined && policy.previousSecretUntilAt > at
          ? policy.previousSecret
          : undefined,
      secretEncoding: policy.secretEncoding,
      at: new Date(at),
    });
    const shownHeaders: Record<string, string> = {
      'Content-Type': 'application/json',
      'X-Webhook-Event-Id': event.eventId,
      'X-Webhook-Event-Type': event.type,
      'X-Webhook-Stream-Id': event.streamId,
      ...(sequence === null ? {} : { 'X-Webhook-Sequence': String(sequence) }),
      'X-Webhook-Attempt': String(delivery.attempts + 1),
      'X-Webhook-Epoch': String(partition.epoch),
      ...signed.headers,
    };
    if (!policy.authHeader) return { headers: shownHeaders, shownHeaders, body: signed.body };
    const { name, value } = policy.authHeader;
    return {
      headers: { ...shownHeaders, [name]: value },
      shownHeaders: { ...shownHeaders, [name]: '[redacted]' },
      body: signed.body,
    };
  } catch (error) {
    if (error instanceof SigningFault) return { errorClass: 'undecryptable_secret', fault: error.message };
    throw error;
  }
}

/** One line and a handful of counters for each attempt. */
function report(
  { partition, delivery, isProbe }: AttemptInput,
  result: HttpResult,
  outcome: Outcome,
  ports: AttemptPorts,
): void {
  const { event, endpointId, sequence, attempts } = delivery;
  const { metrics } = ports;
  const errorClass = outcome.kind === 'success' ? '' : outcome.errorClass;
  metrics.attempts.inc({ outcome: outcome.kind, error_class: errorClass, event_type: eventTypeLabel(event.type) });
  metrics.attemptDuration.observe(result.durationMs / 1000);
  if (outcome.kind === 'success') {
    metrics.deliveryLatency.observe(Math.max(0, ports.databaseClock.now() - Date.parse(event.enqueuedAt)) / 1000);
  } else if (outcome.kind === 'held') {
    metrics.targetsBlocked.inc({ reason: (result.kind === 'failed' && result.blockReason) || outcome.errorClass });
  }
  const line = {
    eventId: event.eventId,
    eventType: event.type,
    tenantId: event.tenantId,
    streamId: event.streamId,
    endpointId,
    sequence,
    attempt: attempts,
    partition: partition.number,
    epoch: partition.epoch,
    outcome: outcome.kind,
    errorClass: errorClass || undefined,
    statusCode: result.kind === 'response' ? result.statusCode : undefined,
    durationMs: Math.round(result.durationMs),
    probe: isProbe || undefined,
    traceparent: event.traceparent,
  };
  if (outcome.kind === 'success') ports.attemptLogger.info(line, 'attempt');
  else ports.attemptLogger.warn(line, 'attempt');
}
