// Cuts a batch into rounds whose record batches stay below Kafka's size limit per partition.
import type { ProducedRecord } from './port.ts';

/** Length prefixes, deltas and attributes of a record and of a header, rounded up. */
const RECORD_OVERHEAD_BYTES = 32;
const HEADER_OVERHEAD_BYTES = 6;

/**
 * Rounds to be sent one after the other: per topic and partition at most `maxBatchBytes` in each, or a single larger
 * record. The order within a partition is kept. Nearly always there is one round, the given array itself.
 */
export function splitIntoRounds(
  records: readonly ProducedRecord[],
  maxBatchBytes: number,
): (readonly ProducedRecord[])[] {
  if (records.length === 0) return [];
  const sizes = records.map(recordBytes);
  if (sizes.reduce((sum, bytes) => sum + bytes, 0) <= maxBatchBytes) return [records];
  const rounds: ProducedRecord[][] = [];
  const filled = new Map<string, { round: number; bytes: number }>();
  for (const [i, record] of records.entries()) {
    const batch = `${record.topic}/${record.partition}`;
    const last = filled.get(batch) ?? { round: 0, bytes: 0 };
    const fits = last.bytes === 0 || last.bytes + sizes[i]! <= maxBatchBytes;
    const next = fits
      ? { round: last.round, bytes: last.bytes + sizes[i]! }
      : { round: last.round + 1, bytes: sizes[i]! };
    filled.set(batch, next);
    (rounds[next.round] ??= []).push(record);
  }
  return rounds;
}

/** An estimate, exact for ASCII keys and headers. */
export function recordBytes({ key, value, headers }: ProducedRecord): number {
  let bytes = RECORD_OVERHEAD_BYTES + (key?.length ?? 0) + (value?.length ?? 0);
  for (const name in headers) bytes += HEADER_OVERHEAD_BYTES + name.length + headers[name]!.length;
  return bytes;
}
