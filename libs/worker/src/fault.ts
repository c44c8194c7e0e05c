// What the worker library knows about a thrown fault, and the little of a logger that it needs.

/** The part of a pino logger that is used here; pino's own satisfies it. */
export interface WorkerLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** False only for a fault that says so itself (`retryable: false`); anything unknown may be gone on the next try. */
export function isRetryable(fault: unknown): boolean {
  return !(typeof fault === 'object' && fault !== null && 'retryable' in fault && fault.retryable === false);
}

/** One line for people, e.g. `ECONNREFUSED: connect ECONNREFUSED 127.0.0.1:5432`; used in readiness reasons. */
export function describeFault(fault: unknown): string {
  if (!(fault instanceof Error)) return String(fault);
  // Node joins several failed connects (IPv4 and IPv6 of localhost) into an AggregateError with an empty message.
  const message =
    fault.message !== '' || !(fault instanceof AggregateError)
      ? fault.message
      : fault.errors.map(describeFault).join('; ');
  const code = 'code' in fault && typeof fault.code === 'string' ? fault.code : '';
  return code === '' || message.startsWith(code) ? message : `${code}: ${message}`;
}
