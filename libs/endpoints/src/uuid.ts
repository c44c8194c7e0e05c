// Time-ordered ids for rows that this library makes.
import { randomBytes } from 'node:crypto';

/** A UUIDv7 (RFC 9562, 5.7): 48 bits of `nowMs`, the rest random. Sorts by time of creation, so lists page by it. */
export function uuidV7(nowMs: number, random: (size: number) => Buffer = randomBytes): string {
  const bytes = random(16);
  bytes.writeUIntBE(Math.trunc(nowMs), 0, 6);
  bytes[6] = (bytes[6]! & 0x0f) | 0x70;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
