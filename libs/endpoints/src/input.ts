// What may be said of a tenant or an endpoint from outside: shapes, ranges, defaults, and the rules between fields.
import { z } from 'zod';
import { authHeaderFault } from '#http-delivery';
import { type Format, FORMATS, SECRET_ENCODINGS, type SecretEncoding, secretFault } from '#signing';
import { check, type Checked, type FieldFault } from './field-fault.ts';

/** `AddressGuard` of #http-delivery: the same check runs again at connect time. */
export interface UrlGuard {
  checkUrl(url: string): { detail: string } | null;
}

/** The same letters that outbox.publish_event accepts: other names could never receive an event. */
const printable = (what: string) =>
  z.string().regex(/^[!-~]{1,200}$/, `${what} must be 1 to 200 printable ASCII characters without spaces`);
const wholeNumber = (least: number, most: number) =>
  z
    .int(`must be a whole number from ${least} to ${most}`)
    .min(least, `must be at least ${least}`)
    .max(most, `must be at most ${most}`);

// PostgreSQL's text has no NUL.
const freeText = (most: number) =>
  z
    .string()
    .max(most, `must be at most ${most} characters`)
    .refine((value) => !value.includes('\0') && value.isWellFormed(), 'must be text without NUL characters');

export const tenantIdSchema = printable('a tenant id').meta({ description: 'The tenant, as domain services name it.' });
export const tenantInputSchema = z.strictObject({
  name: freeText(200).refine((name) => name.trim() !== '', 'must not be empty'),
});
export type TenantInput = z.infer<typeof tenantInputSchema>;

const eventTypesSchema = z
  .array(printable('an event type').refine((type) => type !== '*', 'leave eventTypes out to receive every type'))
  .min(1, 'must name at least one type; leave it out to receive every type')
  .max(200, 'must name at most 200 types')
  .refine((types) => new Set(types).size === types.length, 'must not name a type twice')
  .meta({ description: 'The types that this endpoint receives. Left out or null: every type.' });

const authHeaderSchema = z
  .strictObject({ name: z.string().max(100), value: z.string().max(4_096) })
  .superRefine(({ name, value }, context) => {
    const fault = authHeaderFault(name, value);
    if (fault) context.addIssue({ code: 'custom', path: [fault.field], message: fault.detail });
  })
  .meta({ description: 'An authentication header that the receiver expects. Its value is kept like a secret.' });

const settings = {
  url: z.string().min(1, 'must not be empty').max(2048, 'must be at most 2048 characters').meta({ format: 'uri' }),
  timeoutMs: wholeNumber(1_000, 60_000).meta({ description: 'Deadline of one attempt, all of it.' }),
  maxRetries: wholeNumber(0, 50).meta({ description: 'Attempts after the first one.' }),
  initialDelayMs: wholeNumber(10, 3_600_000).meta({
    description: 'Delay before the second attempt; doubles from there.',
  }),
  maxDelayMs: wholeNumber(10, 86_400_000).meta({ description: 'The longest delay between two attempts.' }),
  successStatus: z.enum(['2xx', '200']),
  onExhausted: z.enum(['block', 'skip']).meta({
    description: 'After the last attempt: the lane waits for an operator, or goes on without the event.',
  }),
  maxConcurrency: wholeNumber(1, 1_024).meta({ description: 'Requests in flight at most, over all lanes.' }),
  enabled: z.boolean(),
};

const formatSchema = z.enum(FORMATS);
const secretEncodingSchema = z.enum(SECRET_ENCODINGS).meta({
  description: "How the secret's text stands for key bytes; only encrypted-envelope knows another than utf8.",
});

export const newEndpointSchema = z
  .strictObject({
    ...settings,
    format: formatSchema.default('signed-json'),
    eventTypes: eventTypesSchema.nullable(),
    secret: z.string().max(1_024, 'is too long').meta({ description: 'Left out: a good one is made.' }),
    secretEncoding: secretEncodingSchema.default('utf8'),
    authHeader: authHeaderSchema.nullable(),
    description: freeText(1_000).nullable(),
  })
  .partial()
  .required({ url: true });

export const endpointPatchSchema = z
  .strictObject({
    ...settings,
    format: formatSchema,
    eventTypes: eventTypesSchema.nullable(),
    secretEncoding: secretEncodingSchema,
    authHeader: authHeaderSchema.nullable(),
    description: freeText(1_000).nullable(),
  })
  .partial();

export type EndpointPatch = z.infer<typeof endpointPatchSchema>;
/** All that defines an endpoint, with every default filled in; `secret` is absent where one shall be made. */
export type NewEndpoint = EndpointSettings & { secret?: string; authHeader: { name: string; value: string } | null };

/** The settings that a change may merge into. */
export interface EndpointSettings {
  url: string;
  format: Format;
  eventTypes: string[] | null;
  secretEncoding: SecretEncoding;
  timeoutMs: number;
  maxRetries: number;
  initialDelayMs: number;
  maxDelayMs: number;
  successStatus: '2xx' | '200';
  onExhausted: 'block' | 'skip';
  maxConcurrency: number;
  description: string | null;
  enabled: boolean;
}

/** Defaults; the encrypted format's contract asks for its own deadline and success. */
export function endpointDefaults(format: Format): Omit<EndpointSettings, 'url'> {
  const envelope = format === 'encrypted-envelope';
  return {
    format,
    eventTypes: null,
    secretEncoding: 'utf8',
    timeoutMs: envelope ? 10_000 : 30_000,
    maxRetries: 10,
    initialDelayMs: 100,
    maxDelayMs: 30_000,
    successStatus: envelope ? '200' : '2xx',
    onExhausted: 'block',
    maxConcurrency: 32,
    description: null,
    enabled: true,
  };
}

/** Checks and completes the body of a creation. */
export function checkNewEndpoint(input: unknown, guard: UrlGuard): Checked<NewEndpoint> {
  const checked = check(newEndpointSchema, input);
  if (!checked.ok) return checked;
  const { authHeader = null, secret, ...given } = checked.value;
  const value: NewEndpoint = {
    ...endpointDefaults(given.format ?? 'signed-json'),
    ...withoutUndefined(given),
    url: given.url,
    authHeader,
    ...(secret === undefined ? {} : { secret }),
  };
  const faults = [...settingsFaults(value, guard), ...secretFaults(value, secret)];
  return faults.length > 0 ? { ok: false, faults } : { ok: true, value };
}

/** Checks the shape of a change; what it amounts to is checked by `settingsFaults` once it is merged. */
export function checkEndpointPatch(input: unknown): Checked<EndpointPatch> {
  if (typeof input === 'object' && input !== null && 'secret' in input) {
    return { ok: false, faults: [{ field: 'secret', detail: 'a secret is not changed here but rotated' }] };
  }
  return check(endpointPatchSchema, input);
}

/** The rules between fields, and the address rules for the URL. */
export function settingsFaults(settings: EndpointSettings, guard: UrlGuard): FieldFault[] {
  const faults: FieldFault[] = [];
  const urlFault = guard.checkUrl(settings.url);
  if (urlFault) faults.push({ field: 'url', detail: urlFault.detail });
  if (settings.maxDelayMs < settings.initialDelayMs) {
    faults.push({ field: 'maxDelayMs', detail: 'must not be smaller than initialDelayMs' });
  }
  if (settings.secretEncoding !== 'utf8' && settings.format !== 'encrypted-envelope') {
    faults.push({
      field: 'secretEncoding',
      detail: 'only the format encrypted-envelope knows another encoding than utf8',
    });
  }
  return faults;
}

function secretFaults({ format, secretEncoding }: EndpointSettings, secret: string | undefined): FieldFault[] {
  const detail = secret === undefined ? null : secretFault(format, secret, secretEncoding);
  return detail === null ? [] : [{ field: 'secret', detail }];
}

/** Drops what was not given, so that spreading it over something else changes nothing. */
export function withoutUndefined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(value).filter(([, entry]) => entry !== undefined)) as never;
}
