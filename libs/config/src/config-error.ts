// The fault of a bad configuration: every line names one variable and what is wrong with it.

export class ConfigError extends Error {
  readonly code = 'bad_configuration';
  readonly retryable = false;
  /** What main.ts ends the process with. */
  readonly exitCode = 2;
  /** `NAME: what is wrong`, one per fault; never the value of a secret. */
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join('\n'));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}
