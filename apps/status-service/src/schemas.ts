// What callers may send: one schema for each query string and body. Types and the OpenAPI document follow from them.
import { z } from 'zod';
import { ROLES } from '#audit/admin';
import { DELIVERY_STATES, LANE_STATES } from '#deliveries';
import { tenantIdSchema } from '#endpoints/admin';

const MOST_ITEMS = 200;

const id = (what: string) =>
  z.string().min(1, 'must not be empty').max(200, 'must be at most 200 characters').meta({ description: what });
const uuid = (what: string) =>
  z
    .string()
    .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'must be a UUID')
    .meta({
      description: what,
      format: 'uuid',
    });
const instant = (what: string) =>
  z.iso
    .datetime({ offset: true, error: 'must be an instant such as 2026-01-31T12:00:00Z' })
    .meta({ description: what });
const page = {
  limit: z.coerce
    .number('must be a whole number')
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(MOST_ITEMS, `must be at most ${MOST_ITEMS}`)
    .default(50),
  cursor: z.string().max(2_000).optional().meta({ description: 'nextCursor of the page before.' }),
};

export const pageQuery = z.strictObject(page);

export const deliveriesQuery = z.strictObject({
  ...z
    .object({
      tenantId: id('A tenant.'),
      endpointId: uuid('An endpoint.'),
      eventType: id('A type of event.'),
      streamId: id('What is kept in order: an onboarding or card id.'),
      state: z.enum(DELIVERY_STATES),
      statusCode: z.coerce
        .number('must be a status code')
        .int()
        .min(100, 'must be a status code')
        .max(599, 'must be a status code'),
      errorClass: id('The class of the last error, e.g. timeout.'),
      userId: id('The user in the payload.'),
      cardId: id('The card in the payload.'),
      transactionId: id('The transaction in the payload.'),
      from: instant('Enqueued at or after this instant.'),
      to: instant('Enqueued before this instant.'),
      search: z
        .string()
        .regex(/^[!-~]{3,200}$/, 'must be 3 to 200 printable ASCII characters without spaces')
        .meta({ description: 'An event or delivery id, or the beginning of a stream, user, card or transaction id.' }),
    })
    .partial().shape,
  order: z.enum(['asc', 'desc']).default('desc'),
  ...page,
});

export const deliveryQuery = z.strictObject({
  reveal: z.enum(['true', 'false']).default('false').meta({ description: 'The payload unmasked; audited.' }),
});

export const lanesQuery = z.strictObject({
  ...z
    .object({
      state: z.enum(LANE_STATES),
      endpointId: uuid('An endpoint.'),
      tenantId: id('A tenant.'),
      streamId: id('A stream.'),
    })
    .partial().shape,
  ...page,
});

export const auditQuery = z.strictObject({
  ...z
    .object({
      tenantId: id('A tenant.'),
      action: id('An action, e.g. endpoint.changed.'),
      target: id('A thing, e.g. endpoint:<id>.'),
      actor: id('Who did it, e.g. token:<id>.'),
      from: instant('At or after this instant.'),
      to: instant('At or before this instant.'),
    })
    .partial().shape,
  ...page,
});

const reason = z
  .string()
  .trim()
  .min(1, 'must say why')
  .max(1_000, 'must be at most 1000 characters')
  .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must be text without NUL characters')
  .meta({ description: 'Why, in your words: it goes into the audit trail.' });

export const commandBody = z.strictObject({
  sequence: z
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .meta({ description: "The head's: what you looked at." }),
  reason,
});

export const reasonBody = z.strictObject({ reason });

export const tokenBody = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1, 'must not be empty')
    .max(200, 'must be at most 200 characters')
    .refine((text) => !text.includes('\0') && text.isWellFormed(), 'must be text without NUL characters')
    .meta({ description: 'Who or what will use it.' }),
  role: z.enum(ROLES),
  tenantId: tenantIdSchema.nullable().default(null).meta({ description: 'Binds the token to one tenant.' }),
});
