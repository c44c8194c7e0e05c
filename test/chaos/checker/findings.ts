// What a check found: violations, of which the first fifty are kept whole, and figures for the report.

export type About = Record<string, string | number | boolean | null>;

export interface Violation {
  message: string;
  /** Endpoint, stream, sequence, event, arrival … whatever leads to it. */
  about: About;
}

export interface CheckResult {
  title: string;
  verdict: 'pass' | 'fail' | 'not_checked';
  /** Why it is not checked. */
  reason?: string;
  /** All of them. */
  violationCount: number;
  /** The first 50. */
  violations: Violation[];
  figures: Record<string, number | string | null>;
}

const KEPT = 50;

export class Findings {
  readonly #violations: Violation[] = [];
  #count = 0;
  #figures: Record<string, number | string | null> = {};
  #reason: string | null = null;

  violation(message: string, about: About = {}): void {
    this.#count++;
    if (this.#violations.length < KEPT) this.#violations.push({ message, about });
  }

  figure(name: string, value: number | string | null): void {
    this.#figures[name] = value;
  }

  count(name: string, by = 1): void {
    this.#figures[name] = Number(this.#figures[name] ?? 0) + by;
  }

  /** The history has not what the check needs. Violations found all the same count. */
  notChecked(reason: string): void {
    this.#reason = reason;
  }

  result(title: string): CheckResult {
    const idle = this.#reason === null ? 'pass' : 'not_checked';
    return {
      title,
      verdict: this.#count > 0 ? 'fail' : idle,
      ...(this.#reason === null ? {} : { reason: this.#reason }),
      violationCount: this.#count,
      violations: this.#violations,
      figures: this.#figures,
    };
  }
}

/** Nearest-rank percentile of the values, NaN for none; `share` in (0, 1]. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? NaN;
}
