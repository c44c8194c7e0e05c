// Reads a request's body or parameter by a schema; what does not fit is a 400 that names each field.
import { BadRequestException } from '@nestjs/common';
import { z } from 'zod';

export function read<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new BadRequestException(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
}

/** As outbox.publish_event wants it. */
export const tenantId = z.string().regex(/^[!-~]{1,200}$/, '1 to 200 printable ASCII characters without spaces');
