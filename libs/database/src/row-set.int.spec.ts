import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { createTestDatabase } from '#testkit';
import { copyIn } from './copy-in.ts';
import { createPool } from './pool.ts';
import { bool, instant, int4, int8, isoInstant, rowSet, text, uuid } from './row-set.ts';

interface Row {
  uuid: string | null;
  text: string | null;
  int4: number | null;
  int8: number | null;
  bool: boolean | null;
  ms: number | null;
  iso: string | null;
}

const rowColumns = rowSet<Row>({
  uuid: uuid((row) => row.uuid),
  text: text((row) => row.text),
  bytes: text((row) => (row.text === null ? null : Buffer.from(row.text))),
  int4: int4((row) => row.int4),
  int8: int8((row) => row.int8),
  bool: bool((row) => row.bool),
  ms: instant((row) => row.ms),
  iso: isoInstant((row) => row.iso),
});

const twoDigits = (most: number) => fc.integer({ min: 1, max: most }).map((number) => String(number).padStart(2, '0'));
const iso = fc
  .record({
    year: fc.integer({ min: 1, max: 9_999 }).map((year) => String(year).padStart(4, '0')),
    month: twoDigits(12),
    day: twoDigits(28),
    second: twoDigits(59),
    micros: fc.integer({ min: 0, max: 999_999 }).map((micros) => String(micros).padStart(6, '0')),
  })
  .map(({ year, month, day, second, micros }) => `${year}-${month}-${day}T23:59:${second}.${micros}Z`);

const rows = fc.array(
  fc.record<Row>({
    uuid: fc.option(fc.uuid()),
    text: fc.option(fc.string({ unit: 'binary' }).map((value) => value.replaceAll('\0', '0').toWellFormed())),
    int4: fc.option(fc.integer()),
    int8: fc.option(fc.maxSafeInteger()),
    bool: fc.option(fc.boolean()),
    ms: fc.option(fc.integer({ min: -8_000_000_000_000, max: 9_000_000_000_000 })),
    iso: fc.option(iso),
  }),
  { maxLength: 30 },
);

describe('a row set', async () => {
  const database = await createTestDatabase();
  const pool = createPool({ url: database.url, applicationName: 'row-set' });
  afterAll(async () => {
    await pool.end();
    await database.drop();
  });

  const client = await pool.connect();
  afterAll(() => client.release());
  await client.query(`CREATE TEMPORARY TABLE copied
    (uuid uuid, text text, bytes text, int4 int4, int8 int8, bool bool, ms timestamptz, iso timestamptz)`);

  const readFrom = async (source: string, parameters: Buffer[]) => {
    const { rows: found } = await client.query(
      `SELECT uuid, text, bytes, int4, int8, bool, (extract(epoch FROM ms) * 1000)::text AS ms,
         to_char(iso AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS iso
       FROM ${source}`,
      parameters,
    );
    return found.map((row) => ({ ...row, ms: row.ms === null ? null : Number(row.ms) }));
  };
  const asArrays = (values: Row[]) =>
    readFrom(`${rowColumns.unnest} AS r(${rowColumns.names})`, rowColumns.values(values));
  const asCopy = async (values: Row[]) => {
    await client.query('TRUNCATE copied');
    await copyIn(client, `COPY copied (${rowColumns.names}) FROM STDIN (FORMAT binary)`, rowColumns.copied(values));
    return readFrom('copied', []);
  };

  describe.each([
    ['arrays', asArrays],
    ['a COPY', asCopy],
  ])('as %s', (_form, read) => {
    it('brings every value to PostgreSQL as it is', async () => {
      await fc.assert(
        fc.asyncProperty(rows, async (values) => {
          expect(await read(values)).toEqual(values.map((row) => ({ ...row, bytes: row.text })));
        }),
        { numRuns: 150 },
      );
    });

    it('grows for texts of any length', async () => {
      const long = 'ü'.repeat(200_000);
      const [row] = await read([{ uuid: null, text: long, int4: 1, int8: 2, bool: true, ms: 0, iso: null }]);
      expect(row).toMatchObject({ text: long, bytes: long, int4: 1 });
    });
  });

  it('refuses what PostgreSQL would refuse', () => {
    const one = (row: Partial<Row>) => () => rowColumns.copied([row as Row]);
    const none = { uuid: null, text: null, int4: null, int8: null, bool: null, ms: null, iso: null };
    expect(one({ ...none, uuid: 'not-a-uuid' })).toThrow(TypeError);
    expect(one({ ...none, uuid: '00000000-0000-0000-0000-00000000000g' })).toThrow(TypeError);
    expect(one({ ...none, int4: 2 ** 31 })).toThrow(RangeError);
    expect(one({ ...none, iso: '2026-01-02 03:04' })).toThrow(RangeError);
  });
});
