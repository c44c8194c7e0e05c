// Many rows as the parameters of one statement: a column each, in PostgreSQL's binary array format.

/** One column of a row set: its SQL type, and the array of its values as a parameter. */
export interface Column<R> {
  sqlType: string;
  encode(rows: readonly R[]): Buffer;
}

/** The parts of a statement over `unnest`, and its parameters. */
export interface RowSet<R> {
  /** `endpoint_id, event_id, …` */
  names: string;
  /** `unnest($1::uuid[], $2::uuid[], …)`, its columns in the order of `names`. */
  unnest: string;
  values(rows: readonly R[]): Buffer[];
}

/**
 * Describes rows once, for statements that write hundreds of them. The binary form takes a third of the time of pg's text
 * form, which escapes every value and was a third of a consumer's garbage; and PostgreSQL has nothing to parse.
 */
export function rowSet<R>(columns: Record<string, Column<R>>): RowSet<R> {
  const list = Object.values(columns);
  return {
    names: Object.keys(columns).join(', '),
    unnest: `unnest(${list.map(({ sqlType }, index) => `$${index + 1}::${sqlType}[]`).join(', ')})`,
    values: (rows) => list.map((column) => column.encode(rows)),
  };
}

/** How a value of one type is written. */
interface Encoding<V> {
  sqlType: string;
  oid: number;
  /** Bytes that the value may take, at most. */
  room(value: V): number;
  /** Returns the position behind the value. */
  write(target: Buffer, at: number, value: V): number;
}

const HEADER_BYTES = 20;
/** Ms from 1970 to PostgreSQL's epoch, 2000-01-01. */
const POSTGRES_EPOCH_MS = 946_684_800_000;

/** A column of type `uuid`, of the lower-case text form. @throws TypeError on anything else */
export const uuid = columnOf<string>({ sqlType: 'uuid', oid: 2_950, room: () => 16, write: writeUuid });

/** A column of type `text`: strings, or their UTF-8 bytes. */
export const text = columnOf<string | Buffer>({
  sqlType: 'text',
  oid: 25,
  room: (value) => (typeof value === 'string' ? value.length * 3 : value.length),
  write: (target, at, value) =>
    at + (typeof value === 'string' ? target.write(value, at, 'utf8') : value.copy(target, at)),
});

/** @throws RangeError beyond 32 bits */
export const int4 = columnOf<number>({
  sqlType: 'int4',
  oid: 23,
  room: () => 4,
  write: (target, at, value) => target.writeInt32BE(value, at),
});

/** A column of type `int8`, of safe integers. */
export const int8 = columnOf<number>({ sqlType: 'int8', oid: 20, room: () => 8, write: writeInt64 });

export const bool = columnOf<boolean>({
  sqlType: 'bool',
  oid: 16,
  room: () => 1,
  write: (target, at, value) => target.writeUInt8(value ? 1 : 0, at),
});

/** A column of type `timestamptz`: ms since 1970, rounded to the microsecond. */
export const instant = columnOf<number>({
  sqlType: 'timestamptz',
  oid: 1_184,
  room: () => 8,
  write: (target, at, ms) => writeInt64(target, at, Math.round((ms - POSTGRES_EPOCH_MS) * 1_000)),
});

/** A column of type `timestamptz`: ISO 8601 in UTC, exact to the microsecond. @throws RangeError on anything else */
export const isoInstant = columnOf<string>({
  sqlType: 'timestamptz',
  oid: 1_184,
  room: () => 8,
  write: writeIsoInstant,
});

// One column after the other is written here and copied out, so one buffer serves them all; it grows to the largest ever.
let scratch = Buffer.allocUnsafe(65_536);

function makeRoom(at: number, bytes: number): void {
  if (at + bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, at + bytes));
  scratch.copy(larger, 0, 0, at);
  scratch = larger;
}

function columnOf<V>(type: Encoding<V>) {
  const encode = <R>(rows: readonly R[], valueOf: (row: R) => V | null): Buffer => {
    let at = HEADER_BYTES;
    let hasNull = 0;
    for (const row of rows) {
      const value = valueOf(row);
      makeRoom(at, 4 + (value === null ? 0 : type.room(value)));
      const end = value === null ? at + 4 : type.write(scratch, at + 4, value);
      if (value === null) hasNull = 1;
      scratch.writeInt32BE(value === null ? -1 : end - at - 4, at);
      at = end;
    }
    // Dimensions, whether there are NULLs, the element's type; length and lower bound of the one dimension.
    [1, hasNull, type.oid, rows.length, 1].forEach((word, index) => scratch.writeInt32BE(word, 4 * index));
    return Buffer.from(scratch.subarray(0, at));
  };
  return <R>(valueOf: (row: R) => V | null): Column<R> => ({
    sqlType: type.sqlType,
    encode: (rows) => encode(rows, valueOf),
  });
}

function writeInt64(target: Buffer, at: number, value: number): number {
  const high = Math.floor(value / 2 ** 32);
  target.writeInt32BE(high, at);
  return target.writeUInt32BE(value - high * 2 ** 32, at + 4);
}

/** Date.parse is exact to the ms and reads over what is finer: the 24th to 26th character. */
function writeIsoInstant(target: Buffer, at: number, iso: string): number {
  const ms = Date.parse(iso) - POSTGRES_EPOCH_MS;
  const micros = iso.length > 24 ? Number(iso.slice(23, -1).padEnd(3, '0')) : 0;
  if (!iso.endsWith('Z') || Number.isNaN(ms + micros)) throw new RangeError('not an ISO 8601 instant in UTC');
  const value = ms * 1_000 + micros;
  // From the year 2285 on a number is not exact any more.
  return Number.isSafeInteger(value)
    ? writeInt64(target, at, value)
    : target.writeBigInt64BE(BigInt(ms) * 1_000n + BigInt(micros), at);
}

const DASH = 45;

function writeUuid(target: Buffer, at: number, value: string): number {
  if (value.length !== 36) throw new TypeError('not a UUID');
  let end = at;
  for (let from = 0; from < 36; from += 2) {
    if (value.charCodeAt(from) === DASH) from++;
    const byte = (nibbleOf(value.charCodeAt(from)) << 4) | nibbleOf(value.charCodeAt(from + 1));
    if (byte < 0) throw new TypeError('not a UUID');
    target[end++] = byte;
  }
  return end;
}

/** Negative for what is no lower-case hexadecimal digit. */
function nibbleOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  return code >= 97 && code <= 102 ? code - 87 : -256;
}
