// What a judge of a simulated run throws.
export class Violation extends Error {
  /** Words that the trace lines of interest contain. */
  readonly about: readonly string[];

  constructor(message: string, ...about: string[]) {
    super(message);
    this.about = about;
  }
}
