// The arithmetic of the benchmark: percentiles, medians, rates.

export interface Percentiles {
  count: number;
  p50: number;
  p95: number;
  p99: number;
  max: number;
}

/** Nearest rank: the smallest value that at least `share` (0 to 1) of them do not exceed. `sorted` ascends; empty gives NaN. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.max(1, Math.ceil(share * sorted.length));
  return sorted[rank - 1] ?? NaN;
}

/** In the unit of the values, to two decimals. */
export function percentiles(values: Iterable<number>): Percentiles {
  const sorted = Float64Array.from(values).toSorted();
  const at = (share: number) => rounded(percentile(sorted, share), 2);
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}

/** The middle value, or the mean of the two middle ones; empty gives NaN. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  if (Number.isInteger(middle)) return ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
  return sorted[Math.floor(middle)]!;
}

/** How many of the instants (ms) lie in each whole second from `fromMs` on; the broken second at the end is left out. */
export function perSecond(instants: Iterable<number>, fromMs: number, toMs: number): number[] {
  const counts = Array.from({ length: Math.max(0, Math.floor((toMs - fromMs) / 1_000)) }, () => 0);
  for (const at of instants) {
    const second = Math.floor((at - fromMs) / 1_000);
    if (second >= 0 && second < counts.length) counts[second]!++;
  }
  return counts;
}

export function rounded(value: number, digits = 0): number {
  const scale = 10 ** digits;
  return Math.round(value * scale) / scale;
}
