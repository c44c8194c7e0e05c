// Checks payloads against the JSON Schema of their type; each schema is compiled once, when its type is first seen.
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { findEventType } from './catalogue.ts';

const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true });
formats.default(ajv, ['uuid', 'uri']);

const compiled = new Map<string, ValidateFunction | null>();

/**
 * The faults of a parsed payload, `[]` when it is fine or its type is outside the catalogue. A fault names the JSON
 * pointer (RFC 6901) and the broken rule, never a value: faults are stored, logged and shown to people who may not see
 * payloads.
 */
export function validatePayload(type: string, payload: unknown): string[] {
  const validate = validatorOf(type);
  if (!validate || validate(payload)) return [];
  return (validate.errors ?? []).map(describeFault);
}

function validatorOf(type: string): ValidateFunction | null {
  let validate = compiled.get(type);
  if (validate === undefined) {
    const eventType = findEventType(type);
    // Unknown types are not remembered: they come from outside, and the map must not grow without end.
    if (!eventType) return null;
    validate = ajv.compile(eventType.schema);
    compiled.set(type, validate);
  }
  return validate;
}

// Ajv's own messages name the schema's values only (allowed words, patterns), except for `required`, whose pointer is
// that of the parent.
function describeFault({ instancePath, keyword, params, message = 'is invalid' }: ErrorObject): string {
  if (keyword === 'required') return `${instancePath}/${String(params.missingProperty)} is required`;
  const place = instancePath === '' ? 'the payload' : instancePath;
  if (keyword === 'enum') return `${place} must be one of ${(params.allowedValues as unknown[]).join(', ')}`;
  if (keyword === 'const') return `${place} must be ${String(params.allowedValue)}`;
  return `${place} ${message}`;
}
