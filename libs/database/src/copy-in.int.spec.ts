// COPY on a connection with other statements behind it: what is written, and who hears of a fault.
import { createTestDatabase } from '#testkit';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { copyIn } from './copy-in.ts';
import { createPool } from './pool.ts';
import { int4, rowSet, text } from './row-set.ts';

interface Note {
  id: number;
  text: string;
}

const notes = rowSet<Note>({ id: int4((note) => note.id), text: text((note) => note.text) });
const statement = `COPY note (${notes.names}) FROM STDIN (FORMAT binary)`;

describe('copyIn', async () => {
  const database = await createTestDatabase();
  const pool = createPool({ url: database.url, applicationName: 'copy-in' });
  const client = await pool.connect();
  await client.query('CREATE TABLE note (id int PRIMARY KEY, text text)');
  beforeEach(async () => void (await client.query('TRUNCATE note')));
  afterAll(async () => {
    client.release();
    await pool.end();
    await database.drop();
  });

  const countOf = async () =>
    (await client.query<{ count: number }>('SELECT count(*)::int AS count FROM note')).rows[0]!.count;

  it('writes megabytes between two statements that are sent with it', async () => {
    const many = Array.from({ length: 2_000 }, (_, id) => ({ id, text: 'x'.repeat(1_000) }));
    const counts = await Promise.all([countOf(), copyIn(client, statement, notes.copied(many)), countOf()]);
    expect(counts).toEqual([0, undefined, 2_000]);
  });

  it('has taken the data when it returns', async () => {
    const first = copyIn(client, statement, notes.copied([{ id: 1, text: 'first' }]));
    const second = copyIn(client, statement, notes.copied([{ id: 2, text: 'later' }]));
    await Promise.all([first, second]);
    expect((await client.query('SELECT text FROM note ORDER BY id')).rows).toEqual([
      { text: 'first' },
      { text: 'later' },
    ]);
  });

  it.each([
    ['a row that is taken', statement, 'a', '23505'],
    ['a text that is none', statement, '\0', '22021'],
    ['a table that is not there', 'COPY nowhere FROM STDIN (FORMAT binary)', 'a', '42P01'],
    ['a statement that is none', 'COPY', 'a', '42601'],
  ])('fails with the fault of %s, and the statement behind it has its own answer', async (_what, sql, value, code) => {
    const long = Array.from({ length: 200 }, (_, id) => ({ id: id % 100, text: value.repeat(1_000) }));
    const [failed, count] = await Promise.allSettled([copyIn(client, sql, notes.copied(long)), countOf()]);
    expect(failed).toMatchObject({ status: 'rejected', reason: { code } });
    expect(count).toEqual({ status: 'fulfilled', value: 0 });
  });
});
