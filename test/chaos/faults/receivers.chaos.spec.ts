// Receivers that refuse, hang, lie and flood (F18, F20–F25), against a built consumer: what it makes of each, and that it stays as it was.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Receiver, startReceiver, until } from '#testkit';
import { freePort } from '../../../deploy/local/index.ts';
import type { ServiceProcess } from '../../e2e/processes.ts';
import { createWorld, type Endpoint, type World } from '../../e2e/world.ts';
import { pathOf, type RogueName, type RogueReceiver, startRogueReceiver, startTrap } from './rogue-receiver.ts';

const MB = 1024 * 1024;
const TIMEOUT_MS = 3_000;
const QUICK = { initialDelayMs: 10, maxDelayMs: 10, timeoutMs: TIMEOUT_MS };

interface AttemptRow {
  number: number;
  outcome: string;
  error_class: string | null;
  status_code: number | null;
  duration_ms: number;
}

let world: World;
let consumer: ServiceProcess;
let rogue: RogueReceiver;
let healthy: Receiver;

beforeAll(async () => {
  // Without breakers: every attempt is made, however many fail.
  world = await createWorld({ partitions: 3, env: { WAYBILL_CIRCUIT_BREAKER: 'false' } });
  ({ consumer } = await world.startAll());
  [rogue, healthy] = await Promise.all([startRogueReceiver(), startReceiver()]);
}, 90_000);
afterAll(async () => {
  await world?.close();
  await rogue?.[Symbol.asyncDispose]();
  await healthy?.close();
});

const attemptsOf = async ({ id }: Endpoint, stream: string, sequence: number): Promise<AttemptRow[]> => {
  const { rows } = await world.pool.query<AttemptRow>(
    `SELECT a.number, a.outcome, a.error_class, a.status_code, a.duration_ms::float8 AS duration_ms
       FROM waybill.attempt a JOIN (SELECT event_id, endpoint_id, stream_id, sequence FROM waybill.delivery UNION ALL
              SELECT event_id, endpoint_id, stream_id, sequence FROM waybill.delivery_history) d
         ON d.event_id = a.event_id AND d.endpoint_id = a.endpoint_id
      WHERE a.endpoint_id = $1 AND d.stream_id = $2 AND d.sequence = $3 ORDER BY a.number`,
    [id, stream, sequence],
  );
  return rows;
};

interface Expectation {
  /** Null: the event is delivered. */
  errorClass: RegExp | null;
  outcome: 'success' | 'failure' | 'unknown';
  statusCode?: number;
  /** It is cut at the deadline, not before. */
  isCut?: boolean;
}

const timeout: Expectation = { errorClass: /^timeout$/, outcome: 'unknown', isCut: true };
const reset: Expectation = { errorClass: /^connection_reset$/, outcome: 'unknown' };
const protocol: Expectation = { errorClass: /^protocol$/, outcome: 'unknown' };
const delivered: Expectation = { errorClass: null, outcome: 'success', statusCode: 200 };

const expected: [row: string, name: RogueName, expectation: Expectation][] = [
  ['F20', 'resets', reset],
  ['F20', 'closes', reset],
  ['F20', 'resets in the status line', reset],
  ['F20', 'closes in the headers', reset],
  ['F20', 'closes in the body', delivered],
  ['F20', 'resets in the body', delivered],
  ['F21', 'never answers', timeout],
  ['F21', 'drips its status line', timeout],
  ['F21', 'drips its headers', timeout],
  ['F21', 'sends informational answers for ever', timeout],
  ['F21', 'drips its body', { ...delivered, isCut: true }],
  ['F22', 'floods its body', delivered],
  ['F22', 'floods its chunks', delivered],
  ['F22', 'floods its headers', protocol],
  ['F22', 'floods one header', protocol],
  ['F22', 'sends a gzip bomb', delivered],
  ['F22', 'sends a 100 KB header', protocol],
  ['F22', 'sends 10,000 headers', protocol],
  ['F22', 'sends garbage', protocol],
  ['F22', 'speaks another protocol', protocol],
  ['F23', 'redirects to the metadata service', { errorClass: /^http_3xx$/, outcome: 'failure', statusCode: 307 }],
];

describe('a receiver that', () => {
  /** Endpoints of all rows, and others whose fault is not in an answer. All are tried at once. */
  const cases: { what: string; url: () => string; expectation: Expectation }[] = [
    ...expected.map(([row, name, expectation]) => ({
      what: `${row} ${name}`,
      url: () => rogue.url + pathOf(name),
      expectation,
    })),
    {
      what: 'F18 has a name that does not exist',
      url: () => 'http://no-such-name.invalid:8443/',
      // Where no name server answers at all, the deadline does.
      expectation: { errorClass: /^(dns|timeout)$/, outcome: 'failure' },
    },
    {
      what: 'F20 is not there',
      url: () => `http://127.0.0.1:${closedPort}/`,
      expectation: { errorClass: /^connection_refused$/, outcome: 'failure' },
    },
    {
      what: 'F23 signed its certificate itself',
      url: () => `${selfSigned.url}/`,
      expectation: { errorClass: /^tls$/, outcome: 'failure' },
    },
    {
      what: 'F23 speaks no TLS where it should',
      url: () => `${plain.url.replace('http:', 'https:')}/`,
      expectation: { errorClass: /^tls$/, outcome: 'failure' },
    },
  ];
  let closedPort: number;
  let selfSigned: Receiver;
  let plain: Receiver;
  const endpoints = new Map<string, Endpoint>();

  beforeAll(async () => {
    closedPort = await freePort();
    [selfSigned, plain] = await Promise.all([startReceiver({ https: true }), startReceiver()]);
    for (const { what, url } of cases) {
      endpoints.set(what, await world.createEndpoint({ url: url(), maxRetries: 1, ...QUICK }));
    }
    for (const { tenantId } of endpoints.values()) await world.publishMany(tenantId, 's', 2);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([selfSigned?.close(), plain?.close()]);
  });

  it.each(cases)('$what gets the right class and decision', async ({ what, expectation }) => {
    const endpoint = endpoints.get(what)!;
    const { errorClass, outcome, statusCode = null, isCut = false } = expectation;
    const isDelivered = errorClass === null;
    await world.settled(
      endpoint.id,
      isDelivered ? { 's 1': 'delivered', 's 2': 'delivered' } : { 's 1': 'exhausted' },
      60_000,
    );
    const attempts = await attemptsOf(endpoint, 's', 1);
    expect(attempts.map(({ number }) => number)).toEqual(isDelivered ? [1] : [1, 2]);
    for (const attempt of attempts) {
      expect(attempt).toMatchObject({
        outcome,
        status_code: statusCode,
        error_class: isDelivered ? null : expect.stringMatching(errorClass),
      });
      if (!isCut) continue;
      // A tenth, and a second for the turns that a process waits for on a busy machine; deadline.spec.ts is the strict one.
      expect(attempt.duration_ms).toBeGreaterThanOrEqual(TIMEOUT_MS * 0.9);
      expect(attempt.duration_ms).toBeLessThanOrEqual(TIMEOUT_MS * 1.1 + 1_000);
    }
    // What is behind a failed head was not tried; the head of a halted lane waits for a person.
    if (!isDelivered) expect(await attemptsOf(endpoint, 's', 2)).toEqual([]);
  });

  it('was not spoken to in the clear when TLS was asked for', () => {
    expect([selfSigned.arrivals.length, plain.arrivals.length]).toEqual([0, 0]);
  });

  it('is mended is sent everything in order, when an operator says so', async () => {
    const failing = cases.filter(({ expectation }) => expectation.errorClass !== null);
    for (const { what } of failing) {
      const { id } = endpoints.get(what)!;
      expect((await world.call('PATCH', `/v1/endpoints/${id}`, { url: `${healthy.url}/${id}` })).status).toBe(200);
    }
    const goesOn = async ({ what }: { what: string }) => {
      const { id } = endpoints.get(what)!;
      // A change takes effect within 2 s; a retry that is quicker meets the old receiver, and one more follows.
      await until(
        async () => {
          await world.call('POST', `/v1/endpoints/${id}/retry-halted`, { reason: 'mended' });
          return (await world.deliveries(id)).every(({ state }) => state === 'delivered');
        },
        { withinMs: 60_000, what: `${what}: the rest`, everyMs: 500 },
      );
      const got = healthy.arrivals.filter(({ path }) => path === `/${id}`);
      expect(got.map(({ headers }) => headers['x-webhook-sequence'])).toEqual(['1', '2']);
    };
    await Promise.all(failing.map(goesOn));
  }, 120_000);
});

describe('a slot', () => {
  it('that a receiver holds is free for the next lane when the deadline has passed', async () => {
    const receiver = await startReceiver({
      behaviour: (arrival) => ({ hang: arrival.headers['x-webhook-stream-id'] === 'hangs' }),
    });
    const settings = { url: receiver.url, maxConcurrency: 1, maxRetries: 0, ...QUICK };
    const endpoint = await world.createEndpoint(settings);
    await world.publish(endpoint.tenantId, 'hangs');
    await receiver.received(1);
    await world.publishMany(endpoint.tenantId, 'behind', 2);
    await world.settled(endpoint.id, { 'hangs 1': 'exhausted', 'behind 1': 'delivered', 'behind 2': 'delivered' });
    await until(async () => (await receiver.connections()) <= 1, { withinMs: 5_000, what: 'the cut connection to go' });
    await receiver.close();
  });
});

describe('Retry-After', () => {
  const inTwoMinutes = () => new Date(Date.now() + 121_000).toUTCString();
  const bounds: [what: string, status: number, value: string, least: number, most: number][] = [
    ['seconds', 429, '30', 30_000, 31_000],
    ['seconds, unavailable', 503, '30', 30_000, 31_000],
    ['a date', 503, 'in two minutes', 110_000, 121_000],
    ['more than an hour', 429, '99999999999', 3_600_000, 3_601_000],
    ['a date in years', 429, 'Fri, 31 Dec 2100 23:59:59 GMT', 3_600_000, 3_601_000],
    ['a negative number', 429, '-5', 0, 1_000],
    ['a date that is over', 503, 'Thu, 01 Jan 2015 00:00:00 GMT', 0, 1_000],
    ['no time at all', 429, 'soon', 0, 1_000],
    ['seconds, with a status that is not asked', 500, '30', 0, 1_000],
  ];

  it('is a lower bound when it can be read, up to an hour, and nothing otherwise', async () => {
    const receiver = await startReceiver({
      behaviour: ({ path }) => {
        const [, status, value] = bounds[Number(path.slice(1))]!;
        return { status, headers: { 'retry-after': value === 'in two minutes' ? inTwoMinutes() : value } };
      },
    });
    const endpoints: Endpoint[] = [];
    for (const index of bounds.keys()) {
      const settings = { url: `${receiver.url}/${index}`, initialDelayMs: 10, maxDelayMs: 10, maxRetries: 50 };
      endpoints.push(await world.createEndpoint(settings));
    }
    for (const { tenantId } of endpoints) await world.publish(tenantId, 'r');
    for (const [index, [what, , , least, most]] of bounds.entries()) {
      const { id } = endpoints[index]!;
      // By PostgreSQL's clock on both sides: from the last attempt's beginning to the next one's due time, without its own duration.
      const waited = await until(
        async () => {
          const { rows } = await world.pool.query<{ waits: number }>(
            `SELECT extract(epoch FROM l.next_attempt_at - a.started_at)::float8 * 1000 - a.duration_ms::float8 AS waits
               FROM waybill.lane l JOIN LATERAL (SELECT started_at, duration_ms FROM waybill.attempt
                    WHERE endpoint_id = l.endpoint_id ORDER BY number DESC LIMIT 1) a ON true
              WHERE l.endpoint_id = $1 AND l.state = 'parked' AND l.attempts > 0`,
            [id],
          );
          return rows[0];
        },
        { withinMs: 20_000, what: `the lane of ${what} to be parked`, everyMs: 5 },
      );
      // Less a moment: dates have whole seconds, and the answer's time is not the attempt's.
      expect(waited.waits, what).toBeGreaterThanOrEqual(least - 50);
      expect(waited.waits, what).toBeLessThanOrEqual(most);
    }
    // Those that were told to wait have waited: one request each.
    const seen = (index: number) => receiver.arrivals.filter(({ path }) => path === `/${index}`).length;
    for (const [index, [what, , , least]] of bounds.entries()) {
      if (least > 0) expect({ what, requests: seen(index) }).toEqual({ what, requests: 1 });
      else await until(() => seen(index) > 1, { withinMs: 20_000, what: `${what}: another request` });
    }
    await receiver.close();
  });
});

describe('the address guard at the door', () => {
  it('refuses what the guard refuses, and connects nowhere: not now, and not when the table was changed behind it', async () => {
    await using trap = await startTrap();
    const port = new URL(trap.url).port;
    // All of them are the trap's address, in other words than the permitted 127.0.0.1.
    const spellings = [
      `http://[::ffff:127.0.0.1]:${port}/`,
      `http://u:p@127.0.0.1:${port}/`,
      `ftp://127.0.0.1:${port}/`,
    ];
    await world.call('PUT', '/v1/tenants/door', { name: 'door' });
    for (const url of spellings) {
      const { status, body } = await world.call('POST', '/v1/tenants/door/endpoints', { url });
      expect({ url, status, pointer: body.errors?.[0]?.pointer }).toEqual({ url, status: 422, pointer: '#/url' });
    }
    for (const url of spellings) {
      const endpoint = await world.createEndpoint({ url: healthy.url, maxRetries: 0, ...QUICK });
      await world.pool.query(
        'UPDATE waybill.endpoint SET url = $2, revision = revision + 1, changed_at = clock_timestamp() WHERE id = $1',
        [endpoint.id, url],
      );
      // One that this consumer has not met yet: it reads the changed row.
      await world.publish(endpoint.tenantId, 'd');
      await until(
        async () => (await world.lanes(endpoint.id)).some(({ lastErrorClass }) => lastErrorClass === 'blocked_target'),
        { withinMs: 20_000, what: `${url} to be held`, everyMs: 50 },
      );
    }
    expect(trap.count()).toBe(0);
  });
});

describe('memory', () => {
  it('stays flat while receivers flood, bomb and babble', async () => {
    const names = expected.filter(([row]) => row === 'F22').map(([, name]) => name);
    const rss = async () => (await consumer.metrics()).get('process_resident_memory_bytes')!;
    const endpoints: Endpoint[] = [];
    for (const name of names) {
      const settings = { url: rogue.url + pathOf(name), maxRetries: 1, maxConcurrency: 8, ...QUICK };
      endpoints.push(await world.createEndpoint(settings));
    }
    const lanes = 12;
    const publishRound = async (round: number) => {
      for (const { tenantId } of endpoints) {
        await world.pool.query(
          `SELECT outbox.publish_event($1, $2 || '-' || n, 'TEST_EVENT', '{}') FROM generate_series(1, $3) n`,
          [tenantId, `m${round}`, lanes],
        );
      }
    };
    const allEnded = async (count: number) => {
      const { rows } = await world.pool.query<{ n: number }>(
        `SELECT (SELECT count(*) FROM waybill.delivery WHERE endpoint_id = ANY ($1) AND state = 'exhausted')::int +
                (SELECT count(*) FROM waybill.delivery_history WHERE endpoint_id = ANY ($1))::int AS n`,
        [endpoints.map(({ id }) => id)],
      );
      return rows[0]!.n === count;
    };
    const peaks: number[] = [];
    for (let round = 1; round <= 3; round++) {
      await publishRound(round);
      let peak = 0;
      await until(
        async () => {
          peak = Math.max(peak, await rss());
          return allEnded(round * names.length * lanes);
        },
        { withinMs: 60_000, what: `round ${round} to end`, everyMs: 100 },
      );
      peaks.push(Math.round(peak / MB));
    }
    const requests = rogue.paths.length;
    console.log(`[receivers] ${JSON.stringify({ requests, peaksMb: peaks })}`);
    // The first round warms it up. One body kept until its deadline would be hundreds of MB.
    expect(Math.max(...peaks.slice(1)) - peaks[0]!).toBeLessThan(40);
    expect(Math.max(...peaks)).toBeLessThan(300);
    await until(() => rogue.sockets.size < names.length * 8, { withinMs: 10_000, what: 'connections to be closed' });
  }, 180_000);
});
