// The calendar of partitions: weeks that begin at the same instants everywhere.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { partitionsCovering } from './time-partitions.ts';

const WEEK_MS = 7 * 86_400_000;

describe('partitionsCovering', () => {
  it('names each by its first day, a Monday', () => {
    const [first, second] = partitionsCovering('event', Date.UTC(2026, 0, 1), Date.UTC(2026, 0, 5));
    expect(first).toEqual({ name: 'event_20251229', from: new Date('2025-12-29'), to: new Date('2026-01-05') });
    expect(second!.name).toBe('event_20260105');
  });

  it('covers any stretch of time without a gap or an overlap, whoever asks', () => {
    const instant = fc.integer({ min: Date.UTC(2020, 0, 1), max: Date.UTC(2040, 0, 1) });
    fc.assert(
      fc.property(instant, fc.integer({ min: 0, max: 100 * 86_400_000 }), (fromMs, lengthMs) => {
        const partitions = partitionsCovering('t', fromMs, fromMs + lengthMs);
        expect(partitions[0]!.from.getTime()).toBeLessThanOrEqual(fromMs);
        expect(partitions.at(-1)!.to.getTime()).toBeGreaterThan(fromMs + lengthMs);
        for (const [n, { from, to, name }] of partitions.entries()) {
          expect(to.getTime() - from.getTime()).toBe(WEEK_MS);
          expect((from.getTime() - Date.UTC(2024, 0, 1)) % WEEK_MS).toBeCloseTo(0);
          if (n > 0) expect(from).toEqual(partitions[n - 1]!.to);
          expect(name).toMatch(/^t_\d{8}$/);
        }
      }),
      { verbose: 1 },
    );
  });
});
