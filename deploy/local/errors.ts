// The fault that a person at the terminal can mend: shown without a stack trace.

/** Something about the machine or the command that its user has to change; the message says what. */
export class StackError extends Error {
  override name = 'StackError';
  readonly code = 'local_stack';
  readonly retryable = false;
}
