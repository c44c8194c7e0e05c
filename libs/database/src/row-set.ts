// Many rows for one statement, in PostgreSQL's binary formats: an array for each column, or the rows of a COPY.

/** One column of a row set: its SQL type, and how the value of a row is written behind what was written before. */
export interface Column<R> {
  sqlType: string;
  oid: number;
  /** Returns false when the value is NULL. */
  append(row: R): boolean;
}

/** The parts of a statement over `unnest` or of a COPY, and what they take. */
export interface RowSet<R> {
  /** `endpoint_id, event_id, …` */
  names: string;
  /** `unnest($1::uuid[], $2::uuid[], …)`, its columns in the order of `names`. */
  unnest: string;
  /** The parameters of `unnest`. */
  values(rows: readonly R[]): Buffer[];
  /** The rows for `COPY … FROM STDIN (FORMAT binary)`. Good until the next row set is written: pg's writer copies it. */
  copied(rows: readonly R[]): Buffer;
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
    values: (rows) => list.map((column) => toArray(column, rows)),
    copied: (rows) => toCopy(list, rows),
  };
}

function toArray<R>(column: Column<R>, rows: readonly R[]): Buffer {
  end = ARRAY_HEADER_BYTES;
  let hasNull = 0;
  for (const row of rows) if (!column.append(row)) hasNull = 1;
  // Dimensions, whether there are NULLs, the element's type; length and lower bound of the one dimension.
  [1, hasNull, column.oid, rows.length, 1].forEach((word, index) => scratch.writeInt32BE(word, 4 * index));
  return Buffer.from(scratch.subarray(0, end));
}

function toCopy<R>(columns: readonly Column<R>[], rows: readonly R[]): Buffer {
  end = COPY_HEADER.copy(scratch);
  for (const row of rows) {
    makeRoom(2);
    end = scratch.writeInt16BE(columns.length, end);
    for (const column of columns) column.append(row);
  }
  makeRoom(2);
  end = scratch.writeInt16BE(-1, end);
  return scratch.subarray(0, end);
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

const ARRAY_HEADER_BYTES = 20;
/** The signature, no flags, no extension. */
const COPY_HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
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

// Everything is written here and copied from here, so one buffer serves all; it grows to the largest ever.
let scratch = Buffer.allocUnsafe(65_536);
let end = 0;

function makeRoom(bytes: number): void {
  if (end + bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafe(Math.max(scratch.length * 2, end + bytes));
  scratch.copy(larger, 0, 0, end);
  scratch = larger;
}

function columnOf<V>(type: Encoding<V>) {
  const { sqlType, oid } = type;
  /** An element of an array and a field of a COPY look the same: the length in bytes, or -1 for NULL, and the value. */
  const append = (value: V | null): boolean => {
    if (value === null) {
      makeRoom(4);
      end = scratch.writeInt32BE(-1, end);
      return false;
    }
    makeRoom(4 + type.room(value));
    const at = end;
    end = type.write(scratch, at + 4, value);
    scratch.writeInt32BE(end - at - 4, at);
    return true;
  };
  return <R>(valueOf: (row: R) => V | null): Column<R> => ({ sqlType, oid, append: (row) => append(valueOf(row)) });
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
  let position = at;
  for (let from = 0; from < 36; from += 2) {
    if (value.charCodeAt(from) === DASH) from++;
    const byte = (nibbleOf(value.charCodeAt(from)) << 4) | nibbleOf(value.charCodeAt(from + 1));
    if (byte < 0) throw new TypeError('not a UUID');
    target[position++] = byte;
  }
  return position;
}

/** Negative for what is no lower-case hexadecimal digit. */
function nibbleOf(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  return code >= 97 && code <= 102 ? code - 87 : -256;
}
