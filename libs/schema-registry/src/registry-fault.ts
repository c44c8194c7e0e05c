// The faults of the schema registry, and whether trying again may help.

export type RegistryFaultCode =
  /** Not reachable, too slow, or failing itself. */
  | 'registry_unavailable'
  /** It does not know the schema: `migrate` has not run against it. */
  | 'schema_not_registered'
  /** It said no: credentials, an invalid schema, another compatibility level than ours. */
  | 'registry_refused';

const RETRYABLE: Record<RegistryFaultCode, boolean> = {
  registry_unavailable: true,
  schema_not_registered: true,
  registry_refused: false,
};

export class RegistryFault extends Error {
  readonly code: RegistryFaultCode;
  readonly retryable: boolean;

  constructor(code: RegistryFaultCode, message: string, cause?: unknown) {
    super(message, { cause });
    this.name = 'RegistryFault';
    this.code = code;
    this.retryable = RETRYABLE[code];
  }
}

/** What a rejected call of the client means. */
export function toRegistryFault(action: string, error: unknown): RegistryFault {
  if (error instanceof RegistryFault) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const status = statusOf(error);
  const code = status === undefined || isRefusal(status) ? 'registry_refused' : 'registry_unavailable';
  return new RegistryFault(code, `${action}: ${reason}`, error);
}

/** The HTTP status of a client error; undefined for one that the client raised by itself. */
export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('status' in error)) return undefined;
  return typeof error.status === 'number' ? error.status : undefined;
}

// 400 is what the client reports for a connection that failed; registries answer 409 and 422 to what they do not like.
const isRefusal = (status: number): boolean => status > 400 && status < 500 && ![408, 425, 429].includes(status);
