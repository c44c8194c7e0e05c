// The floors of the relay's windows are made of this number: one that is too high hides events for ever.
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPool, type Pool } from '#database';
import { runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { outboxMigrations } from './index.ts';
import { lastDrawnIdSql } from './last-drawn-id.ts';

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate: (url) => runMigrations(url, outboxMigrations({ shards: 2 })) });
  pool = createPool({ url: database.url, max: 3, applicationName: 'last-drawn-id' });
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});

it('is 0 before the first one, and then the last one', async () => {
  const read = async () => (await pool.query<{ last: number }>(`SELECT ${lastDrawnIdSql} AS last`)).rows[0]!.last;
  expect(await read()).toBe(0);
  for (const id of [1, 2]) {
    await pool.query(`SELECT nextval('outbox.event_id')`);
    expect(await read()).toBe(id);
  }
});

it('is below every id that is drawn after it, also while others draw', async () => {
  const over = new AbortController();
  const draw = async () => {
    while (!over.signal.aborted)
      await pool.query(`SELECT count(nextval('outbox.event_id')) FROM generate_series(1, 20000)`);
  };
  const drawing = [draw(), draw()];
  const tooHigh: { last: number; next: number }[] = [];
  for (let read = 0; read < 5_000; read++) {
    const { rows } = await pool.query<{ last: number; next: number }>(
      `SELECT ${lastDrawnIdSql} AS last, nextval('outbox.event_id') AS next`,
    );
    tooHigh.push(...rows.filter(({ last, next }) => last >= next));
  }
  over.abort();
  await Promise.all(drawing);
  expect(tooHigh).toEqual([]);
});
