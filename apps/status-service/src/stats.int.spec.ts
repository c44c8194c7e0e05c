import { afterAll, beforeAll, expect, it } from 'vitest';
import { FakeClock } from '#clock';
import { createPool, type Pool } from '#database';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { Stats } from './stats.ts';
import { migrate } from './testing.ts';

const MINUTE_MS = 60_000;
const NOW = Date.UTC(2026, 0, 31, 12, 0, 30);

let database: TestDatabase;
let pool: Pool;

beforeAll(async () => {
  database = await createTestDatabase({ migrate, template: 'status-service' });
  pool = createPool({ url: database.url, applicationName: 'test', max: 2 });
});

afterAll(async () => {
  await pool.end();
  await database.drop();
});

let made = 0;
async function attemptAt(wallMs: number): Promise<void> {
  await pool.query(
    `INSERT INTO waybill.attempt (endpoint_id, event_id, enqueued_at, epoch, number, outcome, started_at, duration_ms, request_headers)
     VALUES (gen_random_uuid(), gen_random_uuid(), $1, 1, $2, 'success', $1, 5, '{}')`,
    [new Date(wallMs), ++made],
  );
}

it('attempts per minute are read once, and after that only the minutes that may still grow', async () => {
  const clock = new FakeClock(NOW);
  const stats = new Stats(pool, clock);
  const shown = async () =>
    (await stats.attemptsPerMinute()).map(({ minuteAt, success }) => [(minuteAt - NOW + 30_000) / MINUTE_MS, success]);
  for (const ago of [70, 50, 50, 2, 0]) await attemptAt(NOW - ago * MINUTE_MS);
  expect(await shown()).toEqual([
    [-50, 2],
    [-2, 1],
    [0, 1],
  ]);

  await attemptAt(NOW - 50 * MINUTE_MS); // too late to be seen
  await attemptAt(NOW - MINUTE_MS);
  expect(await shown()).toHaveLength(3); // still fresh enough
  clock.advance(MINUTE_MS);
  await attemptAt(NOW + MINUTE_MS);
  expect(await shown()).toEqual([
    [-50, 2],
    [-2, 1],
    [-1, 1],
    [0, 1],
    [1, 1],
  ]);

  clock.advance(20 * MINUTE_MS);
  expect(await shown()).toEqual([
    [-2, 1],
    [-1, 1],
    [0, 1],
    [1, 1],
  ]);
});
