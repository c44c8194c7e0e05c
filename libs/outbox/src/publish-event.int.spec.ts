// outbox.publish_event: what it refuses, what it writes, who may call it, and that the committed text is kept.
import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createPool, type Pool, sqlState } from '#database';
import { openDataSource, runMigrations } from '#database/typeorm';
import { createTestDatabase, type TestDatabase } from '#testkit';
import { outboxMigrations, publishEvent, seedEventTypes } from './index.ts';
import { uuidSql } from './publish-schema.ts';

const A = '00000000-0000-4000-8000-00000000000a';
const B = '00000000-0000-4000-8000-00000000000b';

async function migrate(url: string): Promise<void> {
  await runMigrations(url, outboxMigrations({ shards: 4 }));
  const pool = createPool({ url, max: 1, applicationName: 'test-migrate' });
  await seedEventTypes(pool);
  await pool.end();
}

let database: TestDatabase;
let pool: Pool;
let stream: string;
let streams = 0;

beforeAll(async () => {
  database = await createTestDatabase({ migrate });
  pool = createPool({ url: database.url, max: 12, applicationName: 'publish-event' });
  await route('acme', A, '*');
});
afterAll(async () => {
  await pool.end();
  await database.drop();
});
beforeEach(() => {
  stream = `stream-${++streams}`;
});

async function route(tenantId: string, endpointId: string, ...types: string[]): Promise<void> {
  await pool.query('INSERT INTO outbox.route (tenant_id, event_type, endpoint_id) SELECT $1, unnest($2::text[]), $3', [
    tenantId,
    types,
    endpointId,
  ]);
}

interface Call {
  tenant?: string | null;
  stream?: string | null;
  type?: string | null;
  payload?: string | null;
  occurredAt?: string | null;
  eventId?: string | null;
  traceparent?: string | null;
}

async function publish(call: Call = {}, db: Pick<Pool, 'query'> = pool): Promise<string | null> {
  const { tenant = 'acme', type = 'ANY', payload = '{}', occurredAt = '2026-01-02T03:04:05Z' } = call;
  const { rows } = await db.query<{ id: string | null }>(
    'SELECT outbox.publish_event($1, $2, $3, $4::json, $5::timestamptz, $6::uuid, $7) AS id',
    [
      tenant,
      call.stream === undefined ? stream : call.stream,
      type,
      payload,
      occurredAt,
      call.eventId ?? null,
      call.traceparent ?? null,
    ],
  );
  return rows[0]!.id;
}

interface Row {
  event_id: string;
  targets: [string, number | null][];
  payload: string;
  occurred_at: Date;
  traceparent: string | null;
}

async function rowsOf(streamId = stream): Promise<Row[]> {
  const { rows } = await pool.query<Row>(
    `SELECT event_id, targets, payload::text AS payload, occurred_at, traceparent FROM outbox.event WHERE stream_id = $1 ORDER BY id`,
    [streamId],
  );
  return rows;
}

async function countOf(table: string): Promise<number> {
  const { rows } = await pool.query<{ n: number }>(`SELECT count(*)::int AS n FROM outbox.${table}`);
  return rows[0]!.n;
}

describe('outbox.publish_event refuses', () => {
  const name = '1 to 200 printable ASCII characters without spaces';
  const bad: [string, Call, string, string][] = [
    ['no payload', { payload: null }, 'payload must not be NULL', '22004'],
    ['a payload over 512 KiB', { payload: `"${'x'.repeat(524_287)}"` }, 'payload has 524289 bytes, at most', '54000'],
    ['no tenant', { tenant: null }, `tenant_id must be ${name}`, '22023'],
    ['an empty tenant', { tenant: '' }, `tenant_id must be ${name}`, '22023'],
    ['a tenant with a space', { tenant: 'a b' }, `tenant_id must be ${name}`, '22023'],
    ['a tenant with a line feed at its end', { tenant: 'acme\n' }, `tenant_id must be ${name}`, '22023'],
    ['no stream', { stream: null }, `stream_id must be ${name}`, '22023'],
    ['an empty stream', { stream: '' }, `stream_id must be ${name}`, '22023'],
    ['a stream of 201 characters', { stream: 's'.repeat(201) }, `stream_id must be ${name}`, '22023'],
    ['a stream beyond ASCII', { stream: 'straße' }, `stream_id must be ${name}`, '22023'],
    ['a stream with a DEL', { stream: 'a\u007f' }, `stream_id must be ${name}`, '22023'],
    ['no type', { type: null }, `event_type must be ${name}`, '22023'],
    ['a type with a tab', { type: 'A\tB' }, `event_type must be ${name}`, '22023'],
    ['the type *', { type: '*' }, `event_type must be ${name}, and not *`, '22023'],
    ['no instant', { occurredAt: null }, 'occurred_at must be an instant', '22023'],
    ['an endless instant', { occurredAt: 'infinity' }, 'occurred_at must be an instant', '22023'],
    ['an instant before Christ', { occurredAt: '0044-03-15 BC' }, 'occurred_at must be an instant', '22023'],
    ['an empty traceparent', { traceparent: '' }, `traceparent must be ${name}`, '22023'],
    ['a traceparent with a line feed', { traceparent: '00-1\nx: y' }, `traceparent must be ${name}`, '22023'],
  ];

  it.each(bad)('%s, naming the argument', async (_what, call, message, code) => {
    await expect(publish(call)).rejects.toMatchObject({ message: expect.stringContaining(message), code });
    expect(await rowsOf()).toEqual([]);
  });

  it('a payload that is not JSON', async () => {
    await expect(publish({ payload: '{"a":' })).rejects.toMatchObject({ code: '22P02' });
    await expect(publish({ payload: '"\ud800"' })).resolves.toBeTruthy(); // The driver replaces a lone surrogate.
  });

  it('also when nobody wants the event', async () => {
    await expect(publish({ tenant: 'nobody', stream: 'a b' })).rejects.toMatchObject({ code: '22023' });
  });

  it('nothing at the limits', async () => {
    const limit = { tenant: 't'.repeat(200), stream: 's'.repeat(200), type: '!~'.repeat(100) };
    await route(limit.tenant, A, '*');
    expect(await publish({ ...limit, payload: `"${'x'.repeat(524_286)}"` })).toBeTruthy();
    expect((await rowsOf(limit.stream))[0]!.payload).toHaveLength(524_288);
    expect(await publish({ payload: 'null', occurredAt: '0001-01-01T00:00:00Z' })).toBeTruthy();
    expect(
      await publish({ payload: '1', occurredAt: '9999-12-31T23:59:59.999999Z', traceparent: '00-a-b-01' }),
    ).toBeTruthy();
    expect((await rowsOf()).map((row) => [row.payload, row.traceparent])).toEqual([
      ['null', null],
      ['1', '00-a-b-01'],
    ]);
  });

  it('leaves the transaction to the caller, whose savepoint takes it back', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    await publish({}, client);
    await client.query('SAVEPOINT s');
    await expect(publish({ payload: null }, client)).rejects.toMatchObject({ code: '22004' });
    await client.query('ROLLBACK TO s');
    await publish({}, client);
    await client.query('COMMIT');
    client.release();
    expect((await rowsOf()).map((row) => row.targets[0]![1])).toEqual([1, 2]);
  });
});

describe('conditional enqueueing', () => {
  it('writes nothing at all when nobody wants the type', async () => {
    const tables = ['event', 'stream', 'event_key'];
    const before = await Promise.all(tables.map(countOf));
    expect(await publish({ tenant: 'nobody', eventId: randomUUID() })).toBeNull();
    await route('picky', A, 'ONE', 'TWO');
    expect(await publish({ tenant: 'picky', type: 'THREE' })).toBeNull();
    expect(await Promise.all(tables.map(countOf))).toEqual(before);
  });

  it('enqueues for listed types and for *, each endpoint once, in endpoint order', async () => {
    await route('mixed', B, '*');
    await route('mixed', A, 'ONE', 'TWO');
    await publish({ tenant: 'mixed', type: 'ONE' });
    await publish({ tenant: 'mixed', type: 'THREE' });
    await publish({ tenant: 'mixed', type: 'TWO' });
    expect((await rowsOf()).map((row) => row.targets)).toEqual([
      [
        [A, 1],
        [B, 1],
      ],
      [[B, 2]],
      [
        [A, 2],
        [B, 3],
      ],
    ]);
  });

  it('names an endpoint once that has both * and the type', async () => {
    await route('both', A, '*', 'ONE');
    await publish({ tenant: 'both', type: 'ONE' });
    expect((await rowsOf())[0]!.targets).toEqual([[A, 1]]);
  });

  it('follows routes that come and go between events, without a gap in any lane', async () => {
    await route('changing', A, '*');
    await publish({ tenant: 'changing' });
    await route('changing', B, '*');
    await publish({ tenant: 'changing' });
    await pool.query(`DELETE FROM outbox.route WHERE tenant_id = 'changing' AND endpoint_id = $1`, [A]);
    await publish({ tenant: 'changing' });
    expect(await publish({ tenant: 'changing' })).not.toBeNull();
    await route('changing', A, '*');
    await publish({ tenant: 'changing' });
    expect((await rowsOf()).map((row) => Object.fromEntries(row.targets))).toEqual([
      { [A]: 1 },
      { [A]: 2, [B]: 1 },
      { [B]: 2 },
      { [B]: 3 },
      { [A]: 3, [B]: 4 },
    ]);
  });

  it('gives unordered types no sequence and no lane', async () => {
    const { rows } = await pool.query<{ event_type: string }>(
      `SELECT event_type FROM outbox.event_type WHERE ordering = 'none' ORDER BY 1`,
    );
    expect(rows.length).toBeGreaterThan(0);
    await publish({ type: rows[0]!.event_type });
    await publish();
    expect((await rowsOf()).map((row) => row.targets)).toEqual([[[A, null]], [[A, 1]]]);
  });
});

describe('the committed text', () => {
  const texts: [string, string][] = [
    ['key order and spacing', '{ "b" : 1,\n\t"a":2 }\r\n'],
    [
      'numbers beyond 2^53 and of any spelling',
      '[9007199254740993, 1.10, 1e400, -0, 0.1e-7, 123456789012345678901234567890]',
    ],
    ['duplicate keys', '{"a":1,"a":2,"":3}'],
    [
      'escapes, the NUL one among them',
      '{"nul":"\\u0000","slash":"\\/","e":"\\u00e9","pair":"\\ud83d\\ude00","lone":"\\ud800"}',
    ],
    ['text beyond ASCII', '{"name":"Zoë 😀 \u2028 \ufeff","\u0301":"e\u0301"}'],
    ['leading and trailing white space', ' \n [ ] \t '],
    ['a bare scalar', '"x"'],
  ];

  it.each(texts)('keeps %s', async (_what, text) => {
    await publish({ payload: text });
    const [row] = await rowsOf();
    expect(Buffer.from(row!.payload)).toEqual(Buffer.from(text));
  });

  it('is the same for a client that speaks another encoding', async () => {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    await client.query(`SET client_encoding = 'LATIN1'`);
    // The driver sends UTF-8 whatever the setting, so ask in ASCII for bytes that the server reads as LATIN1.
    await client.query(`SELECT outbox.publish_event('acme', '${stream}', 'ANY', ('"' || chr(233) || '"')::json)`);
    await client.end();
    expect((await rowsOf())[0]!.payload).toBe('"é"');
  });
});

describe('a given event id', () => {
  it('makes the second call a no-op that returns the same id', async () => {
    const eventId = randomUUID();
    expect(await publish({ eventId })).toBe(eventId);
    expect(await publish({ eventId, payload: '{"other":true}' })).toBe(eventId);
    await publish();
    expect((await rowsOf()).map((row) => row.targets[0]![1])).toEqual([1, 2]);
  });

  it('is free again when the first call rolled back', async () => {
    const eventId = randomUUID();
    const client = await pool.connect();
    await client.query('BEGIN');
    await publish({ eventId }, client);
    await client.query('ROLLBACK');
    client.release();
    expect(await publish({ eventId })).toBe(eventId);
    expect(await rowsOf()).toHaveLength(1);
  });

  it('belongs to its tenant', async () => {
    const eventId = randomUUID();
    await route('other', B, '*');
    await publish({ eventId });
    await publish({ eventId, tenant: 'other' });
    expect((await rowsOf()).map((row) => row.targets)).toEqual([[[A, 1]], [[B, 1]]]);
  });

  it('enqueues once when many call at the same time, on one stream or on several', async () => {
    const [same, spread] = [randomUUID(), randomUUID()];
    const calls = Array.from({ length: 8 }, (_, n) => [
      publish({ eventId: same }),
      publish({ eventId: spread, stream: `${stream}-${n}` }),
    ]).flat();
    const ids = await Promise.all(calls);
    expect(new Set(ids)).toEqual(new Set([same, spread]));
    const { rows } = await pool.query('SELECT event_id FROM outbox.event WHERE event_id = ANY ($1)', [[same, spread]]);
    expect(rows).toHaveLength(2);
  });

  it('takes no number where it is known, whoever wants the event by now', async () => {
    await route('twice', A, '*');
    const eventId = randomUUID();
    const again = () => publish({ tenant: 'twice', eventId });
    await again();
    await again();
    await publish({ tenant: 'twice' });
    await route('twice', B, '*');
    await again();
    await publish({ tenant: 'twice' });
    await again();
    await publish({ tenant: 'twice' });
    expect((await rowsOf()).map((row) => Object.fromEntries(row.targets))).toEqual([
      { [A]: 1 },
      { [A]: 2 },
      { [A]: 3, [B]: 1 },
      { [A]: 4, [B]: 2 },
    ]);
  });

  const [builtFromParts, asInstalled] = uuidSql.replace('CREATE', 'CREATE OR REPLACE').split(/(?=DO )/);
  it.each([
    ['as PostgreSQL before 18 makes it', builtFromParts!],
    ['as this PostgreSQL makes it', asInstalled!],
  ])('left out gives a version 7 UUID that grows with time, %s', async (_who, functionSql) => {
    await pool.query(functionSql);
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) ids.push((await publish())!);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const stamps = ids.map((id) => Number.parseInt(id.replace('-', '').slice(0, 12), 16));
    expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
    expect(Math.abs(stamps.at(-1)! - Date.now())).toBeLessThan(60_000);
  });
});

describe('durability', () => {
  it.each(['off', 'local'])(
    'switches synchronous_commit on for this transaction when the session has %s',
    async (given) => {
      const client = await pool.connect();
      const setting = async () =>
        (await client.query<{ s: string }>(`SELECT current_setting('synchronous_commit') AS s`)).rows[0]!.s;
      await client.query(`SET synchronous_commit = ${given}`);
      await client.query('BEGIN');
      await publish({ tenant: 'nobody' }, client);
      await publish({}, client);
      expect(await setting()).toBe('on');
      await client.query('COMMIT');
      expect(await setting()).toBe(given);
      await client.query('BEGIN; SAVEPOINT s');
      await publish({}, client);
      await client.query('ROLLBACK TO s');
      await publish({}, client);
      expect(await setting()).toBe('on');
      await client.query('COMMIT; RESET synchronous_commit');
      client.release();
    },
  );

  it('leaves remote_apply as it is: that is more, not less', async () => {
    const client = await pool.connect();
    await client.query('BEGIN; SET LOCAL synchronous_commit = remote_apply');
    await publish({}, client);
    const { rows } = await client.query(`SELECT current_setting('synchronous_commit') AS s`);
    expect(rows).toEqual([{ s: 'remote_apply' }]);
    await client.query('ROLLBACK');
    client.release();
  });
});

describe('privileges', () => {
  it('lets a role publish that has USAGE and EXECUTE alone, and nothing else', async () => {
    const role = `service_${randomUUID().replaceAll('-', '').slice(0, 12)}`;
    await pool.query(`CREATE ROLE ${role}`);
    const client = await pool.connect();
    // The only way in is a role of one's own: SET ROLE drops the superuser's rights for what follows.
    const asRole = async (sql: string) => {
      await client.query(`SET ROLE ${role}`);
      try {
        return await client.query(sql);
      } finally {
        await client.query('RESET ROLE');
      }
    };
    const call = `SELECT outbox.publish_event('acme', '${stream}', 'ANY', '{}') AS id`;
    await expect(asRole(call)).rejects.toMatchObject({ code: '42501' });
    await pool.query(`GRANT USAGE ON SCHEMA outbox TO ${role}`);
    await expect(asRole(call)).rejects.toMatchObject({ code: '42501' });
    await pool.query(
      `GRANT EXECUTE ON FUNCTION outbox.publish_event(text, text, text, json, timestamptz, uuid, text) TO ${role}`,
    );
    expect((await asRole(call)).rows[0]).toMatchObject({ id: expect.any(String) });
    const { rows } = await pool.query<{ name: string; kind: string }>(
      `SELECT c.relname AS name, c.relkind AS kind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = 'outbox' AND c.relkind IN ('r', 'p', 'S')`,
    );
    expect(rows.length).toBeGreaterThan(8);
    for (const { name, kind } of rows) {
      const sql = kind === 'S' ? `SELECT nextval('outbox.${name}')` : `SELECT FROM outbox.${name}`;
      await expect(asRole(sql), name).rejects.toMatchObject({ code: '42501' });
    }
    client.release();
    await pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
  });

  it('finds its own tables whatever the caller has on the search path or in temporary tables', async () => {
    const client = await pool.connect();
    await client.query(`BEGIN; CREATE TEMP TABLE route (LIKE outbox.route); CREATE TEMP TABLE event (LIKE outbox.event);
      CREATE FUNCTION pg_temp.octet_length(text) RETURNS int LANGUAGE sql AS 'SELECT 0'; SET LOCAL search_path = pg_temp, public`);
    expect(await publish({}, client)).toBeTruthy();
    await client.query('ROLLBACK');
    client.release();
  });
});

describe('stricter isolation', () => {
  it.each(['REPEATABLE READ', 'SERIALIZABLE'])('%s gets 40001 where another publisher came first', async (level) => {
    await publish();
    const client = await pool.connect();
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    await client.query('SELECT 1 FROM outbox.route');
    await publish();
    const conflict = await publish({}, client).catch((error: unknown) => error);
    expect(sqlState(conflict)).toBe('40001');
    await client.query('ROLLBACK');
    await client.query(`BEGIN ISOLATION LEVEL ${level}`);
    await publish({}, client);
    await client.query('COMMIT');
    client.release();
    expect((await rowsOf()).map((row) => row.targets[0]![1])).toEqual([1, 2, 3]);
  });

  it('REPEATABLE READ gets 40001 on the first event of a stream as well', async () => {
    const client = await pool.connect();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
    await client.query('SELECT 1 FROM outbox.route');
    await publish();
    await expect(publish({}, client)).rejects.toMatchObject({ code: '40001' });
    await client.query('ROLLBACK');
    client.release();
  });
});

describe('publishEvent', () => {
  it('runs on a pg client, in its transaction', async () => {
    const client = await pool.connect();
    await client.query('BEGIN');
    const event = { tenantId: 'acme', streamId: stream, customType: 'OURS', payload: { amount: 1 } };
    const occurredAt = new Date('2026-05-06T07:08:09.123Z');
    const id = await publishEvent(client, { ...event, occurredAt, traceparent: '00-a-b-01' });
    expect(await rowsOf()).toEqual([]);
    await client.query('COMMIT');
    client.release();
    expect(await rowsOf()).toEqual([
      { event_id: id, targets: [[A, 1]], payload: '{"amount":1}', occurred_at: occurredAt, traceparent: '00-a-b-01' },
    ]);
  });

  it('runs on a TypeORM EntityManager, commits and rolls back with it', async () => {
    const source = await openDataSource({ url: database.url, applicationName: 'publish-event' });
    const event = { tenantId: 'acme', streamId: stream, customType: 'OURS', payload: [1] };
    const id = await source.transaction((manager) => publishEvent(manager, event));
    await expect(
      source.transaction(async (manager) => {
        await publishEvent(manager, event);
        throw new Error('the domain says no');
      }),
    ).rejects.toThrow('the domain says no');
    expect(await publishEvent(source.manager, { ...event, tenantId: 'nobody' })).toBeNull();
    await source.destroy();
    expect((await rowsOf()).map((row) => row.event_id)).toEqual([id]);
  });

  it('is idempotent with an event id, and names a payload that is missing', async () => {
    const event = { tenantId: 'acme', streamId: stream, customType: 'OURS', eventId: randomUUID() };
    expect(await publishEvent(pool, { ...event, payload: 1 })).toBe(event.eventId);
    expect(await publishEvent(pool, { ...event, payload: 2 })).toBe(event.eventId);
    await expect(publishEvent(pool, { ...event, payload: undefined })).rejects.toThrow('payload must not be NULL');
    expect((await rowsOf()).map((row) => row.payload)).toEqual(['1']);
  });
});
