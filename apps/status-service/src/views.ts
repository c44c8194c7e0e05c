// The shapes of answers, for the OpenAPI document. A test checks real answers against them.
import { z } from 'zod';
import { ROLES } from '#audit/admin';
import { DELIVERY_STATES, LANE_STATES } from '#deliveries';
import { FORMATS, SECRET_ENCODINGS } from '#signing';

const instant = z.string().meta({ format: 'date-time' });
const uuid = z.string().meta({ format: 'uuid' });
const text = z.string();
const count = z.int().min(0);

export const tenantView = z.strictObject({ id: text, name: text, createdAt: instant, changedAt: instant });

export const endpointView = z.strictObject({
  id: uuid,
  tenantId: text,
  url: text,
  format: z.enum(FORMATS),
  eventTypes: z.array(text).nullable(),
  description: text.nullable(),
  secretEncoding: z.enum(SECRET_ENCODINGS),
  authHeader: z.strictObject({ name: text }).nullable(),
  timeoutMs: count,
  maxRetries: count,
  initialDelayMs: count,
  maxDelayMs: count,
  successStatus: z.enum(['2xx', '200']),
  onExhausted: z.enum(['block', 'skip']),
  maxConcurrency: count,
  enabled: z.boolean(),
  disabledReason: text.nullable(),
  revision: count,
  createdAt: instant,
  changedAt: instant,
});
export const createdEndpointView = endpointView.extend({ secret: text.meta({ description: 'Shown only here.' }) });

export const deliveryView = z.strictObject({
  id: text,
  endpointId: uuid,
  eventId: uuid,
  tenantId: text,
  streamId: text,
  sequence: count.nullable(),
  eventType: text,
  state: z.enum(DELIVERY_STATES),
  reason: text.nullable(),
  attempts: count,
  statusCode: count.nullable(),
  errorClass: text.nullable(),
  payloadFault: text.nullable(),
  userId: text.nullable(),
  cardId: text.nullable(),
  transactionId: text.nullable(),
  occurredAt: instant,
  enqueuedAt: instant,
  firstAttemptAt: instant.nullable(),
  lastAttemptAt: instant.nullable(),
  lastDurationMs: count.nullable(),
  nextAttemptAt: instant.nullable(),
  finishedAt: instant.nullable(),
});

const headers = z.record(text, z.unknown()).nullable();
export const deliveryDetailView = deliveryView.extend({
  traceparent: text.nullable(),
  payloadMasked: z.boolean(),
  payload: z.unknown(),
  payloadText: text.optional().meta({ description: 'The committed text, byte by byte; only when revealed.' }),
  explanation: z.strictObject({ field: text, code: text, means: text, customerCan: text }).nullable(),
  attemptRecords: z.array(
    z.strictObject({
      number: count,
      epoch: count,
      outcome: z.enum(['success', 'failure', 'unknown']),
      errorClass: text.nullable(),
      statusCode: count.nullable(),
      startedAt: instant,
      durationMs: count,
      counted: z.boolean(),
      earlierAttemptsPossible: z.boolean(),
      requestHeaders: headers,
      responseHeaders: headers,
      responseBody: text.nullable(),
    }),
  ),
});

export const laneView = z.strictObject({
  endpointId: uuid,
  streamId: text,
  tenantId: text,
  state: z.enum(LANE_STATES),
  headSequence: count.nullable(),
  headEventId: uuid.nullable(),
  depth: count,
  attempts: count,
  nextAttemptAt: instant.nullable(),
  blockedSince: instant.nullable(),
  ageSeconds: z.int().nullable(),
  lastErrorClass: text.nullable(),
  reason: text.nullable(),
  hasOwner: z.boolean(),
});

export const commandView = z.strictObject({
  id: uuid,
  endpointId: uuid,
  streamId: text,
  kind: z.enum(['retry', 'skip']),
  sequence: count,
});
export const retryHaltedView = z.strictObject({ endpointId: uuid, lanes: count });

export const tokenView = z.strictObject({
  id: uuid,
  name: text,
  role: z.enum(ROLES),
  tenantId: text.nullable(),
  createdBy: text,
  createdAt: instant,
  lastUsedAt: instant.nullable(),
});
export const createdTokenView = tokenView.extend({ token: text.meta({ description: 'Shown only here.' }) });

export const auditEntryView = z.strictObject({
  id: count,
  at: instant,
  actor: text,
  role: text,
  action: text,
  target: text,
  tenantId: text.nullable(),
  reason: text.nullable(),
  details: z.record(text, z.unknown()).nullable(),
});

export const eventTypeView = z.strictObject({
  type: text,
  family: z.enum(['onboarding', 'card']),
  ordering: z.enum(['stream', 'none']),
  expiresAfterMs: count.nullable(),
  streamKey: z.array(text),
  summary: text,
  schema: z.record(text, z.unknown()),
  sample: z.record(text, z.unknown()),
  meanings: z
    .strictObject({ field: text, codes: z.record(text, z.strictObject({ means: text, customerCan: text })) })
    .nullable(),
});

export const statsView = z.strictObject({
  at: instant,
  lanes: z.strictObject({ open: count.nullable(), parked: count, halted: count, oldestBlockedAt: instant.nullable() }),
  waiting: z.strictObject({ pending: count, parked: count, exhausted: count }),
  finishedLastHour: z
    .strictObject({ delivered: count, exhausted: count, skipped: count, expired: count })
    .meta({ description: 'Of the events enqueued within the last hour.' }),
  attemptsPerMinute: z
    .array(z.strictObject({ minuteAt: instant, success: count, failure: count, unknown: count }))
    .nullable()
    .meta({ description: 'The last hour; null for a token that is bound to a tenant.' }),
});

export const listOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({ items: z.array(item), nextCursor: text.nullable() });

export const problemView = z
  .object({
    type: text,
    title: text,
    status: count,
    detail: text,
    requestId: text,
    errors: z.array(z.strictObject({ field: text, pointer: text.optional(), detail: text })).optional(),
  })
  .meta({ description: 'RFC 9457' });
