// What a tenant and an operator see, through the doors that they have: SQL to publish, HTTP to receive, the API to act.
import { createDecipheriv, createHmac, timingSafeEqual } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { partitionFor, type ProducedRecord } from '#kafka';
import { type Arrival, type Behaviour, type Receiver, startReceiver, until } from '#testkit';
import type { ServiceProcess } from './processes.ts';
import { BEHIND_HEAD, createWorld, type World } from './world.ts';

interface DeadLetter {
  key: string;
  value: string | null;
  headers: Record<string, string>;
}

let world: World;
let consumer: ServiceProcess;
const receivers: Receiver[] = [];
const deadLetters: DeadLetter[] = [];
let stopReading: () => Promise<void>;

beforeAll(async () => {
  world = await createWorld({ partitions: 3 });
  ({ consumer } = await world.startAll());
  const reader = world.kafka.consumer({ groupId: `${world.prefix}.test`, topics: [`${world.prefix}.dead-letter`] });
  reader.start({
    onBatch: ({ records }) => {
      for (const { key, value, headers } of records) {
        const texts = Object.entries(headers).map(([name, text]) => [name, String(text)] as const);
        deadLetters.push({ key: String(key), value: value && String(value), headers: Object.fromEntries(texts) });
      }
    },
    onAssignment: () => undefined,
  });
  stopReading = () => reader.stop();
}, 90_000);
afterEach(async () => {
  await Promise.all(receivers.splice(0).map((receiver) => receiver.close()));
});
afterAll(async () => {
  await stopReading?.();
  await world?.close();
});

async function receive(behaviour: Behaviour = () => ({})): Promise<Receiver> {
  const receiver = await startReceiver({ behaviour });
  receivers.push(receiver);
  return receiver;
}

const streamOf = (arrival: Arrival) => String(arrival.headers['x-webhook-stream-id']);
const sequenceOf = (arrival: Arrival) => Number(arrival.headers['x-webhook-sequence']);
const header = (arrival: Arrival, name: string) => String(arrival.headers[name]);
const of = (receiver: Receiver, stream: string) => receiver.arrivals.filter((arrival) => streamOf(arrival) === stream);
const QUICK = { initialDelayMs: 10, maxDelayMs: 50 };

async function haltedLane(endpointId: string, streamId: string) {
  return until(
    async () => (await world.lanes(endpointId)).find((l) => l.streamId === streamId && l.state === 'halted'),
    {
      withinMs: 15_000,
      what: `the lane ${streamId} to halt`,
      everyMs: 50,
    },
  );
}

describe('formats, verified with nothing of ours', () => {
  const text = '{ "b":1, "a": [9007199254740993, 1.10],\n "name":"Zoë 😀" }';

  it('signed-json: the committed bytes, and an HMAC over time stamp and body', async () => {
    const receiver = await receive();
    const authHeader = { name: 'X-Api-Key', value: 'their-key' };
    const endpoint = await world.createEndpoint({ url: receiver.url, authHeader, secret: 'a secret of some length' });
    const eventId = await world.publish(endpoint.tenantId, 'ob-1', text);
    const [arrival] = await receiver.received(1);
    expect(arrival!.body).toEqual(Buffer.from(text));
    const at = header(arrival!, 'x-card-onboarding-timestamp');
    expect(at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
    expect(Math.abs(Date.now() - Date.parse(at))).toBeLessThan(30_000);
    const signature = createHmac('sha256', 'a secret of some length')
      .update(`${at}:`)
      .update(arrival!.body)
      .digest('hex');
    expect(arrival!.headers).toMatchObject({
      'content-type': 'application/json',
      'x-card-onboarding-signature': signature,
      'x-webhook-event-id': eventId,
      'x-webhook-event-type': 'TEST_EVENT',
      'x-webhook-stream-id': 'ob-1',
      'x-webhook-sequence': '1',
      'x-webhook-attempt': '1',
      'x-webhook-epoch': expect.stringMatching(/^\d+$/),
      'x-api-key': 'their-key',
      'user-agent': expect.stringMatching(/^Waybill\//),
    });
  });

  it('encrypted-envelope: AES-CBC with a fresh IV on each attempt, and an HMAC over the base64 text', async () => {
    const receiver = await receive((_, n) => ({ status: n === 1 ? 201 : 200 })); // Only 200 counts by default.
    const key = '0123456789abcdef0123456789abcdef';
    const endpoint = await world.createEndpoint({
      url: receiver.url,
      format: 'encrypted-envelope',
      secret: key,
      ...QUICK,
    });
    await world.publish(endpoint.tenantId, 'ob-1', text);
    const arrivals = await receiver.received(2);
    const ivs = arrivals.map(({ body }) => {
      const envelope = JSON.parse(body.toString()) as { encrypted_payload: string; type: string; hmac: string };
      expect(Object.keys(envelope)).toEqual(['encrypted_payload', 'type', 'hmac']);
      expect(envelope.type).toBe('TEST_EVENT');
      const expected = createHmac('sha256', Buffer.from(key)).update(envelope.encrypted_payload).digest();
      expect(timingSafeEqual(Buffer.from(envelope.hmac, 'hex'), expected)).toBe(true);
      const sealed = Buffer.from(envelope.encrypted_payload, 'base64');
      const decipher = createDecipheriv('aes-256-cbc', Buffer.from(key), sealed.subarray(0, 16));
      expect(Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()])).toEqual(Buffer.from(text));
      return sealed.subarray(0, 16).toString('hex');
    });
    expect(new Set(ivs).size).toBe(2);
    expect(arrivals.map((arrival) => header(arrival, 'x-webhook-attempt'))).toEqual(['1', '2']);
  });

  it('standard-webhooks: the public library accepts it, and refuses one changed byte', async () => {
    const receiver = await receive();
    const endpoint = await world.createEndpoint({ url: receiver.url, format: 'standard-webhooks' });
    expect(endpoint.secret).toMatch(/^whsec_/);
    await world.publish(endpoint.tenantId, 'ob-1', text);
    const [arrival] = await receiver.received(1);
    const webhook = new Webhook(endpoint.secret);
    const headers = arrival!.headers as Record<string, string>;
    expect(webhook.verify(arrival!.body, headers)).toMatchObject({ name: 'Zoë 😀' });
    expect(() => webhook.verify(Buffer.from(text.replace('1.10', '1.11')), headers)).toThrow('No matching signature');
    expect(headers['webhook-id']).toBe(headers['x-webhook-event-id']);
  });
});

describe('a lane whose head fails', () => {
  it('blocks its own stream alone, halts after its retries with a dead letter, and waits for an operator', async () => {
    let isMended = false;
    const receiver = await receive((arrival) => ({ status: streamOf(arrival) === 'bad' && !isMended ? 500 : 200 }));
    const endpoint = await world.createEndpoint({ url: receiver.url, maxRetries: 2, ...QUICK });
    const [first] = await world.publishMany(endpoint.tenantId, 'bad', 3);
    await world.publishMany(endpoint.tenantId, 'good', 5);
    const lane = await haltedLane(endpoint.id, 'bad');
    expect(lane).toMatchObject({
      headSequence: 1,
      headEventId: first,
      depth: 3,
      attempts: 3,
      reason: 'exhausted',
      lastErrorClass: 'http_5xx',
      tenantId: endpoint.tenantId,
    });
    await world.settled(endpoint.id, {
      'bad 1': 'exhausted',
      'bad 2': BEHIND_HEAD,
      'bad 3': BEHIND_HEAD,
      'good 5': 'delivered',
    });
    expect(of(receiver, 'bad').map(sequenceOf)).toEqual([1, 1, 1]);
    expect(of(receiver, 'bad').map((arrival) => header(arrival, 'x-webhook-attempt'))).toEqual(['1', '2', '3']);
    expect(of(receiver, 'good').map(sequenceOf)).toEqual([1, 2, 3, 4, 5]);
    const letter = await until(() => deadLetters.find((one) => one.headers['ce_id'] === first), {
      withinMs: 10_000,
      what: 'the dead letter',
    });
    expect(letter).toMatchObject({ key: 'bad', value: '{"n":1}' });
    expect(letter.headers).toMatchObject({
      'waybill-reason': 'exhausted',
      'waybill-endpoint': endpoint.id,
      'waybill-sequence': '1',
      'waybill-attempts': '3',
      'waybill-last-error': 'http_5xx',
      'waybill-last-status': '500',
    });

    // More comes: it waits behind the head. Commands that don't name the head are refused.
    await world.publish(endpoint.tenantId, 'bad', { n: 4 });
    const path = `/v1/lanes/${endpoint.id}/bad`;
    expect((await world.call('POST', `${path}/retry`, { sequence: 2, reason: 'wrong' })).status).toBe(409);
    expect((await world.call('POST', `${path}/skip`, { sequence: 0, reason: 'wrong' })).status).toBe(422);
    expect(
      (await world.call('POST', `/v1/lanes/${endpoint.id}/good/retry`, { sequence: 6, reason: 'open' })).status,
    ).toBe(409);

    // A retry while it still fails is a new round; a retry when it is mended drains the lane in order.
    const before = of(receiver, 'bad').length;
    expect((await world.call('POST', `${path}/retry`, { sequence: 1, reason: 'try' })).status).toBe(202);
    await until(() => of(receiver, 'bad').length === before + 3, { withinMs: 10_000, what: 'a second round' });
    await haltedLane(endpoint.id, 'bad');
    isMended = true;
    expect((await world.call('POST', `${path}/retry`, { sequence: 1, reason: 'mended' })).status).toBe(202);
    await world.settled(endpoint.id, { 'bad 1': 'delivered', 'bad 4': 'delivered' });
    expect(of(receiver, 'bad').slice(-4).map(sequenceOf)).toEqual([1, 2, 3, 4]);
    await until(async () => (await world.lanes(endpoint.id)).every((one) => one.state === 'open'), {
      withinMs: 5_000,
      what: 'the lane to be open',
    });
    const audit = await world.call('GET', `/v1/audit?target=${encodeURIComponent(`lane:${endpoint.id}/bad`)}`);
    expect(audit.body.items.map((entry: { reason: string }) => entry.reason).toSorted()).toEqual(['mended', 'try']);
  });

  it('goes on without the head when an operator skips it', async () => {
    const receiver = await receive((arrival) => ({ status: sequenceOf(arrival) === 1 ? 400 : 200 }));
    const endpoint = await world.createEndpoint({ url: receiver.url, maxRetries: 0, ...QUICK });
    const [first] = await world.publishMany(endpoint.tenantId, 'skipped', 3);
    await haltedLane(endpoint.id, 'skipped');
    const path = `/v1/lanes/${endpoint.id}/skipped`;
    expect((await world.call('POST', `${path}/skip`, { sequence: 1, reason: 'known bad' })).status).toBe(202);
    await world.settled(endpoint.id, { 'skipped 1': 'skipped', 'skipped 2': 'delivered', 'skipped 3': 'delivered' });
    expect(receiver.arrivals.map(sequenceOf)).toEqual([1, 2, 3]);
    const { body } = await world.call('GET', `/v1/deliveries?endpointId=${endpoint.id}&state=skipped`);
    expect(body.items).toMatchObject([{ eventId: first, state: 'skipped', sequence: 1 }]);
    const { body: record } = await world.call('GET', `/v1/deliveries/${body.items[0].id}`);
    expect(record.attemptRecords).toMatchObject([
      { number: 1, statusCode: 400, errorClass: 'http_4xx', outcome: 'failure' },
    ]);
  });

  it('skips by itself where the endpoint’s policy says so', async () => {
    const receiver = await receive((arrival) => ({ status: sequenceOf(arrival) === 2 ? 500 : 200 }));
    const endpoint = await world.createEndpoint({ url: receiver.url, maxRetries: 1, onExhausted: 'skip', ...QUICK });
    await world.publishMany(endpoint.tenantId, 'policy', 3);
    await world.settled(endpoint.id, { 'policy 1': 'delivered', 'policy 2': 'skipped', 'policy 3': 'delivered' });
    expect(receiver.arrivals.map(sequenceOf)).toEqual([1, 2, 2, 3]);
  });

  it('is woken with all the others of its endpoint by retry-halted', async () => {
    let isMended = false;
    const receiver = await receive(() => ({ status: isMended ? 200 : 500 }));
    const endpoint = await world.createEndpoint({ url: receiver.url, maxRetries: 0, ...QUICK });
    const streams = ['h1', 'h2', 'h3'];
    for (const stream of streams) await world.publish(endpoint.tenantId, stream);
    for (const stream of streams) await haltedLane(endpoint.id, stream);
    isMended = true;
    const answer = await world.call('POST', `/v1/endpoints/${endpoint.id}/retry-halted`, { reason: 'mended' });
    expect(answer.status).toBeLessThan(300);
    await world.settled(endpoint.id, Object.fromEntries(streams.map((stream) => [`${stream} 1`, 'delivered'])));
  });

  it('halts at once on a payload that its schema refuses; an operator may skip it', async () => {
    const receiver = await receive();
    const endpoint = await world.createEndpoint({ url: receiver.url });
    const id = await world.publish(
      endpoint.tenantId,
      'invalid',
      { nothing: 'that belongs here' },
      'SIGNING_SESSION_CREATED',
    );
    await world.publish(endpoint.tenantId, 'invalid', { n: 2 });
    expect(await haltedLane(endpoint.id, 'invalid')).toMatchObject({ reason: 'invalid_payload', headEventId: id });
    expect(receiver.arrivals).toEqual([]);
    await world.call('POST', `/v1/lanes/${endpoint.id}/invalid/skip`, { sequence: 1, reason: 'not deliverable' });
    await world.settled(endpoint.id, { 'invalid 1': 'skipped', 'invalid 2': 'delivered' });
    expect(receiver.arrivals.map(sequenceOf)).toEqual([2]);
  });
});

describe('an endpoint', () => {
  it('that is paused keeps its events until it resumes, in order', async () => {
    const receiver = await receive();
    const endpoint = await world.createEndpoint({ url: receiver.url });
    await world.publish(endpoint.tenantId, 'p', { n: 1 });
    await receiver.received(1);
    expect((await world.call('PATCH', `/v1/endpoints/${endpoint.id}`, { enabled: false })).status).toBe(200);
    // A change takes effect within 2 s; until then events are still delivered.
    const waits = async () =>
      (await world.deliveries(endpoint.id)).some((row) => row.stream_id === 'p' && row.state !== 'delivered');
    const isClosed = async () => (await world.lanes(endpoint.id)).some(({ reason }) => reason === 'endpoint_closed');
    await until(
      async () => {
        await world.publish(endpoint.tenantId, 'p');
        return isClosed();
      },
      { withinMs: 5_000, what: 'the pause to take effect', everyMs: 100 },
    );
    const delivered = receiver.arrivals.length;
    await world.publishMany(endpoint.tenantId, 'q', 3);
    const rows = await until(
      async () => {
        const found = (await world.deliveries(endpoint.id)).filter((row) => row.stream_id === 'q');
        return found.length === 3 && found;
      },
      { withinMs: 10_000, what: 'the rows of what came later' },
    );
    for (const row of rows) expect(row).toMatchObject({ state: expect.stringMatching(/pending|parked/), attempts: 0 });
    expect(receiver.arrivals.length).toBe(delivered);
    const resumedAt = performance.now();
    expect((await world.call('PATCH', `/v1/endpoints/${endpoint.id}`, { enabled: true })).status).toBe(200);
    await world.settled(endpoint.id, { 'q 3': 'delivered' });
    await until(async () => !(await waits()), { withinMs: 10_000, what: 'what waited to be delivered' });
    expect(performance.now() - resumedAt).toBeLessThan(10_000);
    for (const stream of ['p', 'q']) {
      expect(of(receiver, stream).map(sequenceOf)).toEqual(of(receiver, stream).map((_, index) => index + 1));
    }
  });

  it('that is deleted receives nothing more; what waits, halted or not, becomes skipped', async () => {
    const receiver = await receive(() => ({ status: 500 }));
    const endpoint = await world.createEndpoint({ url: receiver.url, maxRetries: 50, initialDelayMs: 5_000 });
    const brittle = await world.createEndpoint({ url: receiver.url, maxRetries: 0 }, endpoint.tenantId);
    await world.publishMany(endpoint.tenantId, 'd', 3);
    await haltedLane(brittle.id, 'd');
    await world.settled(endpoint.id, { 'd 1': 'parked', 'd 2': BEHIND_HEAD, 'd 3': BEHIND_HEAD });
    for (const { id } of [endpoint, brittle]) {
      expect((await world.call('DELETE', `/v1/endpoints/${id}`)).status).toBe(204);
    }
    expect(await world.publish(endpoint.tenantId, 'd')).toBeNull();
    const all = { 'd 1': 'skipped', 'd 2': 'skipped', 'd 3': 'skipped' };
    await world.settled(endpoint.id, all);
    await world.settled(brittle.id, all);
    const { rows } = await world.pool.query(
      `SELECT DISTINCT reason FROM waybill.delivery_history WHERE endpoint_id = ANY ($1)`,
      [[endpoint.id, brittle.id]],
    );
    expect(rows).toEqual([{ reason: 'endpoint_deleted' }]);
  });

  it('that answers 410 is paused with an audit entry, and nothing of it halts', async () => {
    let isGone = true;
    const receiver = await receive(() => ({ status: isGone ? 410 : 200 }));
    const endpoint = await world.createEndpoint({ url: receiver.url, maxRetries: 3, ...QUICK });
    await world.publishMany(endpoint.tenantId, 'g', 2);
    await until(async () => (await world.call('GET', `/v1/endpoints/${endpoint.id}`)).body.enabled === false, {
      withinMs: 10_000,
      what: 'the endpoint to be paused',
    });
    const audit = await world.call('GET', `/v1/audit?target=${encodeURIComponent(`endpoint:${endpoint.id}`)}`);
    expect(audit.body.items).toContainEqual(expect.objectContaining({ action: 'endpoint.paused', reason: 'gone_410' }));
    isGone = false;
    await world.call('PATCH', `/v1/endpoints/${endpoint.id}`, { enabled: true });
    await world.settled(endpoint.id, { 'g 1': 'delivered', 'g 2': 'delivered' });
  });

  it('whose address is forbidden is refused by the API, and held without a request if it gets past it', async () => {
    const receiver = await receive();
    const refused = ['http://169.254.169.254/latest', 'http://[::ffff:10.0.0.1]/', 'http://10.1.2.3:22/', 'ftp://x/'];
    await world.call('PUT', '/v1/tenants/guarded', { name: 'guarded' });
    for (const url of refused) {
      const { status, body } = await world.call('POST', '/v1/tenants/guarded/endpoints', { url });
      expect({ url, status }).toEqual({ url, status: 422 });
      expect(JSON.stringify(body)).toContain('url');
    }
    const endpoint = await world.createEndpoint({ url: receiver.url, maxRetries: 0 }, 'guarded');
    const point = (url: string) =>
      world.pool.query(
        'UPDATE waybill.endpoint SET url = $2, revision = revision + 1, changed_at = clock_timestamp() WHERE id = $1',
        [endpoint.id, url],
      );
    await point('http://10.0.0.1/');
    await world.publishMany('guarded', 'b', 2);
    const lane = await until(
      async () => (await world.lanes(endpoint.id)).find((one) => one.lastErrorClass === 'blocked_target'),
      { withinMs: 10_000, what: 'the lane to be held' },
    );
    expect(lane).toMatchObject({ state: 'parked', attempts: 0, headSequence: 1 });
    const blocked = [...(await consumer.metrics())].filter(([name]) =>
      name.startsWith('waybill_targets_blocked_total'),
    );
    expect(blocked.reduce((sum, [, count]) => sum + count, 0)).toBeGreaterThan(0);
    expect((await world.call('PATCH', `/v1/endpoints/${endpoint.id}`, { url: receiver.url })).status).toBe(200);
    await world.settled(endpoint.id, { 'b 1': 'delivered', 'b 2': 'delivered' });
    expect(receiver.arrivals.map(sequenceOf)).toEqual([1, 2]);
  });

  it('that is down opens its breaker: no lane halts, a lane elsewhere goes on, and all is delivered when it is back', async () => {
    const healthy = await receive();
    const down = await receive(() => ({ reset: true }));
    const endpoint = await world.createEndpoint({ url: down.url, maxDelayMs: 1_000 });
    const other = await world.createEndpoint({ url: healthy.url });
    const streams = Array.from({ length: 30 }, (_, n) => `down-${n}`);
    const opened = async () => (await consumer.metrics()).get('waybill_circuit_breakers_opened_total') ?? 0;
    const before = await opened();
    for (const stream of streams) await world.publishMany(endpoint.tenantId, stream, 2);
    await until(async () => (await opened()) > before, { withinMs: 10_000, what: 'the breaker to open' });
    const sentWhenOpen = down.arrivals.length;
    await world.publishMany(other.tenantId, 'elsewhere', 3);
    await healthy.received(3);
    await until(() => down.arrivals.length > sentWhenOpen, { withinMs: 15_000, what: 'a probe' });
    expect(down.arrivals.length).toBeLessThan(200);
    down.behave(() => ({}));
    const states = Object.fromEntries(streams.flatMap((s) => [1, 2].map((n) => [`${s} ${n}`, 'delivered'])));
    await world.settled(endpoint.id, states, 60_000);
    expect((await world.lanes(endpoint.id)).filter((lane) => lane.state === 'halted')).toEqual([]);
  }, 90_000);
});

describe('types without an order', () => {
  const unordered = async () => {
    const { rows } = await world.pool.query<{ event_type: string }>(
      `SELECT event_type FROM outbox.event_type WHERE ordering = 'none' ORDER BY event_type`,
    );
    return rows.map((row) => row.event_type);
  };
  /** A payload that the type's schema accepts, from the API's catalogue. */
  const sampleOf = async (name: string) => {
    const { body } = await world.call('GET', '/v1/event-types');
    return (body.items as { type: string; sample: unknown }[]).find((entry) => entry.type === name)!.sample;
  };

  it('pass a lane that is halted, without a sequence', async () => {
    const [name] = await unordered();
    const sample = await sampleOf(name!);
    const receiver = await receive((arrival) => ({
      status: streamOf(arrival) === 'u' && sequenceOf(arrival) === 1 ? 500 : 200,
    }));
    const endpoint = await world.createEndpoint({ url: receiver.url, maxRetries: 0 });
    await world.publish(endpoint.tenantId, 'u');
    await haltedLane(endpoint.id, 'u');
    const passing = await world.publish(endpoint.tenantId, 'u', sample, name);
    await until(() => receiver.arrivals.find((one) => header(one, 'x-webhook-event-id') === passing), {
      withinMs: 5_000,
      what: 'the unordered event',
    });
    const arrival = receiver.arrivals.find((one) => header(one, 'x-webhook-event-id') === passing)!;
    expect(arrival.headers).not.toHaveProperty('x-webhook-sequence');
    await world.settled(endpoint.id, { 'u null': 'delivered', 'u 1': 'exhausted' });
  });

  it('end as exhausted after their retries, or expired: they halt nothing', async () => {
    const [name] = await unordered();
    const sample = await sampleOf(name!);
    const receiver = await receive(() => ({ status: 503 }));
    const brief = await world.createEndpoint({ url: receiver.url, maxRetries: 1, ...QUICK });
    await world.publish(brief.tenantId, 'e', sample, name);
    await world.settled(brief.id, { 'e null': 'exhausted' });
    expect(await world.lanes(brief.id)).toEqual([]);
    // One that has been on its way for a day: such a code is of no use to anybody.
    const seen = receiver.arrivals.length;
    const stale = await world.createEndpoint({ url: receiver.url });
    const [target, old] = [`[["${stale.id}",null]]`, new Date(Date.now() - 86_400_000)];
    await produce([
      recordOf(
        'e',
        { ...headersOf(stale.tenantId, 'e', target, old), ce_type: name! },
        framed(1, JSON.stringify(sample)),
      ),
    ]);
    await world.settled(stale.id, { 'e null': 'expired' });
    expect(receiver.arrivals.length).toBe(seen);
  });
});

// ── records as somebody else might write them ───────────────────────────────────────────────────────────────────────

const headersOf = (
  tenantId: string,
  stream: string,
  targets: string,
  enqueuedAt = new Date(),
): Record<string, string> => ({
  ce_specversion: '1.0',
  ce_id: '0190a000-0000-7000-8000-000000000001',
  ce_type: 'TEST_EVENT',
  ce_source: `/waybill/${tenantId}`,
  ce_subject: stream,
  ce_time: '2026-01-01T00:00:00.000000Z',
  'content-type': 'application/json',
  'waybill-tenant': tenantId,
  'waybill-targets': targets,
  'waybill-enqueued-at': enqueuedAt.toISOString().replace('Z', '000Z'),
});

function framed(schemaId: number, text: string): Buffer {
  const frame = Buffer.alloc(5);
  frame.writeInt32BE(schemaId, 1);
  return Buffer.concat([frame, Buffer.from(text)]);
}

function recordOf(key: string, headers: Record<string, string>, value: Buffer | null): ProducedRecord {
  return { topic: `${world.prefix}.events`, partition: partitionFor(key, world.partitions), key, value, headers };
}

async function produce(records: ProducedRecord[]): Promise<void> {
  const producer = world.kafka.producer();
  await producer.send(records);
  await producer.disconnect();
}

describe('records that nothing can be made of', () => {
  it('are dead-lettered with a reason and counted, and their partition goes on', async () => {
    const receiver = await receive();
    const endpoint = await world.createEndpoint({ url: receiver.url });
    const stream = 'poisoned';
    const good = headersOf(endpoint.tenantId, stream, `[["${endpoint.id}",1]]`);
    const record = (value: Buffer | null, headers: Record<string, string>) => recordOf(stream, headers, value);
    const without = (name: string) => Object.fromEntries(Object.entries(good).filter(([key]) => key !== name));
    const poison = [
      record(null, good),
      record(null, {}),
      record(Buffer.from('plain text'), {}),
      record(Buffer.from('{"n":1}'), good),
      record(framed(1, '{}'), without('waybill-targets')),
      record(framed(1, '{}'), { ...good, 'waybill-targets': '[["not a uuid",1]]' }),
      record(framed(1, '{}'), { ...good, 'waybill-targets': '{' }),
      record(framed(1, '{}'), { ...good, ce_id: 'nonsense' }),
      record(framed(1, '{}'), { ...good, 'waybill-enqueued-at': 'yesterday' }),
    ];
    const counted = async () => (await consumer.metrics()).get('waybill_dead_letters_total{reason="undecodable"}') ?? 0;
    const before = await counted();
    const lettersBefore = deadLetters.length;
    await produce(poison);
    // The id of a schema that nobody knows is no fault: delivery never needs the registry.
    await produce([record(framed(987_654_321, '{ "n" : 1 }'), good)]);
    const [arrival] = await receiver.received(1);
    expect(arrival!.body.toString()).toBe('{ "n" : 1 }');
    await until(async () => (await counted()) === before + poison.length, {
      withinMs: 10_000,
      what: 'all of them counted',
    });
    await until(() => deadLetters.length >= lettersBefore + poison.length, {
      withinMs: 10_000,
      what: 'the dead letters',
    });
    const letters = deadLetters.slice(lettersBefore);
    expect(letters).toHaveLength(poison.length);
    for (const letter of letters) expect(letter.headers['waybill-reason']).toMatch(/\w/);
    expect(letters.map((letter) => letter.value)).toEqual(poison.map(({ value }) => value && String(value)));
    const rows = await until(
      async () => {
        const found = await world.deliveries(endpoint.id);
        return found.length > 0 && found;
      },
      { withinMs: 10_000, what: 'the good record to be on record' },
    );
    expect(rows.map((row) => row.state)).toEqual(['delivered']);
  });
});

describe('logs and metrics', () => {
  it('hold no secret, no payload, and no order violation', async () => {
    const text = world.services
      .map((service) => service.log.map((line) => JSON.stringify(line)).join('\n') + service.stderr)
      .join('\n');
    for (const secret of [
      world.env['WAYBILL_ADMIN_TOKEN']!,
      'their-key',
      'a secret of some length',
      'Zoë',
      '9007199254740993',
    ]) {
      expect(text).not.toContain(secret);
    }
    expect((await consumer.metrics()).get('waybill_order_violations_total')).toBe(0);
  });
});
