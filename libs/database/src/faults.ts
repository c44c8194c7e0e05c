// Which database errors are worth another try, and what each means to the caller.
interface DatabaseError {
  code?: unknown;
  message?: unknown;
}

/** SQLSTATE classes and codes (PostgreSQL manual, appendix A) after which the same transaction may succeed. */
const RETRYABLE_CLASSES = new Set(['08', '40', '53', '57', '58']);
const RETRYABLE_CODES = new Set(['55P03', '25P03', '25006', '55000']);
/** Node's own codes for a connection that could not be made or broke. */
const CONNECTION_CODES = /^(ECONN|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ENOTFOUND|EAI_AGAIN)/;
/** pg reports these without a code. */
const CONNECTION_MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|Client has encountered a connection error|not queryable/i;

/** True when the server was away, busy, shutting down or chose us as a deadlock's victim: wait and try again. */
export function isRetryable(error: unknown): boolean {
  const { code, message } = (error ?? {}) as DatabaseError;
  if (typeof code === 'string') {
    return RETRYABLE_CLASSES.has(code.slice(0, 2)) || RETRYABLE_CODES.has(code) || CONNECTION_CODES.test(code);
  }
  return typeof message === 'string' && CONNECTION_MESSAGES.test(message);
}

/** The SQLSTATE of an error from PostgreSQL, or undefined for any other error. */
export function sqlState(error: unknown): string | undefined {
  const code = (error as DatabaseError | null)?.code;
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
}
