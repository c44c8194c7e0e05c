// Secrets that are rotated, swapped, emptied, or sealed by a key that is not there (F27): every request is signed right, or not made.
import { createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { SecretBox, type SecretPlace } from '#endpoints';
import { type Arrival, type Receiver, startReceiver, until } from '#testkit';
import type { ServiceProcess } from '../../e2e/processes.ts';
import { createWorld, type Endpoint, type World } from '../../e2e/world.ts';

const QUICK = { initialDelayMs: 10, maxDelayMs: 50, maxRetries: 3 };

let world: World;
let consumer: ServiceProcess;
let receiver: Receiver;
let box: SecretBox;

beforeAll(async () => {
  world = await createWorld({ partitions: 2 });
  ({ consumer } = await world.startAll());
  receiver = await startReceiver();
  const [id, key] = world.env['WAYBILL_MASTER_KEYS']!.split(':') as [string, string];
  box = new SecretBox([{ id, key: Buffer.from(key, 'base64') }]);
}, 90_000);
afterAll(async () => {
  await world?.close();
  await receiver?.close();
});

/** Writes columns of an endpoint as a change through the API would be written. */
async function write({ id }: Endpoint, columns: string, ...values: unknown[]): Promise<void> {
  await world.pool.query(
    `UPDATE waybill.endpoint SET ${columns}, revision = revision + 1, changed_at = clock_timestamp() WHERE id = $1`,
    [id, ...values],
  );
}

const seal = ({ id, tenantId }: Endpoint, text: string, field: SecretPlace['field'] = 'secret') =>
  box.seal(text, { tenantId, endpointId: id, field });
const arrivalsOf = ({ id }: Endpoint) => receiver.arrivals.filter(({ path }) => path === `/${id}`);
const header = (arrival: Arrival, name: string) => arrival.headers[name] as string | undefined;

async function createEndpoint(settings: Record<string, unknown>, tenantId?: string): Promise<Endpoint> {
  const endpoint = await world.createEndpoint({ url: receiver.url, ...QUICK, ...settings }, tenantId);
  await world.call('PATCH', `/v1/endpoints/${endpoint.id}`, { url: `${receiver.url}/${endpoint.id}` });
  return endpoint;
}

/** Lanes that wait for another reason are not held: on a busy machine a turn may be long in coming. */
const heldLanes = async ({ id }: Endpoint) =>
  (await world.lanes(id)).filter(({ reason }) => reason === 'endpoint_closed');

async function held(endpoint: Endpoint, streamId: string): Promise<void> {
  const lane = await until(async () => (await heldLanes(endpoint)).find((one) => one.streamId === streamId), {
    withinMs: 20_000,
    what: `the lane ${streamId} to be held`,
    everyMs: 50,
  });
  // Once the endpoint is known to be held, what comes is not even tried.
  expect(lane).toMatchObject({ state: 'parked', attempts: 0 });
  expect([null, 'undecryptable_secret']).toContain(lane.lastErrorClass);
}

const hmac = (secret: string, arrival: Arrival) =>
  createHmac('sha256', secret)
    .update(`${header(arrival, 'x-card-onboarding-timestamp')}:`)
    .update(arrival.body)
    .digest('hex');

/** Which of the secrets, old and new, a request of each format is good for: with nothing of ours. */
const keysOf: Record<string, (arrival: Arrival, secrets: Record<'old' | 'new', string>) => string> = {
  'signed-json': (arrival, secrets) => {
    const [now, before] = ['x-card-onboarding-signature', 'x-card-onboarding-signature-previous'].map((name) =>
      Object.entries(secrets).find(([, secret]) => hmac(secret, arrival) === header(arrival, name)),
    );
    const isUnexplained = before === undefined && 'x-card-onboarding-signature-previous' in arrival.headers;
    return isUnexplained ? 'forged' : [now?.[0] ?? 'forged', before?.[0]].filter(Boolean).join('+');
  },
  'standard-webhooks': (arrival, secrets) =>
    header(arrival, 'webhook-signature')!
      .split(' ')
      .map((signature) => {
        const headers = { ...(arrival.headers as Record<string, string>), 'webhook-signature': signature };
        const opens = (secret: string) => {
          try {
            return new Webhook(secret).verify(arrival.body, headers) !== undefined;
          } catch {
            return false;
          }
        };
        return Object.entries(secrets).find(([, secret]) => opens(secret))?.[0] ?? 'forged';
      })
      .join('+'),
  'encrypted-envelope': (arrival, secrets) => {
    const envelope = JSON.parse(arrival.body.toString()) as { encrypted_payload: string; hmac: string };
    const known = Object.entries(secrets).find(
      ([, secret]) => createHmac('sha256', secret).update(envelope.encrypted_payload).digest('hex') === envelope.hmac,
    );
    if (!known) return 'forged';
    const sealed = Buffer.from(envelope.encrypted_payload, 'base64');
    const decipher = createDecipheriv('aes-256-cbc', Buffer.from(known[1]), sealed.subarray(0, 16));
    JSON.parse(Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()]).toString());
    return known[0];
  },
};

describe('a secret that is rotated in the middle of a stream', () => {
  const rotations: [format: string, make: () => string, phases: string[]][] = [
    ['signed-json', () => randomBytes(16).toString('hex'), ['old', 'new+old', 'new']],
    ['standard-webhooks', () => `whsec_${randomBytes(32).toString('base64')}`, ['old', 'new+old', 'new']],
    // This contract has one key: it changes at once.
    ['encrypted-envelope', () => randomBytes(16).toString('hex'), ['old', 'new']],
  ];

  it.each(rotations)(
    '%s: is signed with both while they overlap, and with no other at any time',
    async (format, make, phases) => {
      const secrets = { old: make(), new: make() };
      const endpoint = await createEndpoint({ format, secret: secrets.old });
      const seen = () => arrivalsOf(endpoint).map((arrival) => keysOf[format]!(arrival, secrets));
      /** Publishes on several streams until the phase shows. */
      const publishUntil = (phase: string) =>
        until(
          async () => {
            for (const stream of ['a', 'b', 'c']) await world.publish(endpoint.tenantId, stream, { n: 1 });
            return seen().includes(phase);
          },
          { withinMs: 30_000, what: `requests signed ${phase}`, everyMs: 50 },
        );
      await publishUntil('old');
      await write(
        endpoint,
        `secret = $2, previous_secret = $3, previous_secret_until = clock_timestamp() + interval '6 seconds'`,
        seal(endpoint, secrets.new),
        seal(endpoint, secrets.old, 'previous_secret'),
      );
      const { rows } = await world.pool.query<{ until: Date }>(
        'SELECT previous_secret_until AS until FROM waybill.endpoint WHERE id = $1',
        [endpoint.id],
      );
      // Nothing tells the consumer that the overlap is over: it has to know.
      for (const phase of phases.slice(1)) await publishUntil(phase);
      const rounds = seen();
      expect([...new Set(rounds)]).toEqual(phases);
      if (format === 'signed-json') {
        for (const arrival of arrivalsOf(endpoint)) {
          const isOverlap = 'x-card-onboarding-signature-previous' in arrival.headers;
          const at = Date.parse(header(arrival, 'x-card-onboarding-timestamp')!);
          if (isOverlap) expect(at).toBeLessThan(rows[0]!.until.getTime());
        }
      }
      await until(async () => (await world.deliveries(endpoint.id)).every(({ state }) => state === 'delivered'), {
        withinMs: 20_000,
        what: 'all of it to be delivered',
      });
      for (const stream of ['a', 'b', 'c']) {
        const sequences = arrivalsOf(endpoint)
          .filter((arrival) => header(arrival, 'x-webhook-stream-id') === stream)
          .map((arrival) => Number(header(arrival, 'x-webhook-sequence')));
        expect(sequences).toEqual(sequences.map((_, index) => index + 1));
      }
    },
    90_000,
  );
});

describe('a secret that does not open', () => {
  it('because it is another tenant’s, holds both endpoints without a request until it is put right', async () => {
    const [a, b] = [await createEndpoint({}, 'bank-a'), await createEndpoint({}, 'bank-b')];
    await world.pool.query(
      `UPDATE waybill.endpoint e SET secret = o.secret, revision = e.revision + 1, changed_at = clock_timestamp()
         FROM waybill.endpoint o WHERE (e.id, o.id) IN (($1::uuid, $2::uuid), ($2, $1))`,
      [a.id, b.id],
    );
    // The change is noticed within 2 s; the first event may be the last that is signed with what was there before.
    for (const endpoint of [a, b]) {
      await until(
        async () => {
          await world.publish(endpoint.tenantId, 'swapped', { n: 1 });
          return (await heldLanes(endpoint)).length > 0;
        },
        { withinMs: 20_000, what: 'the swap to be noticed', everyMs: 100 },
      );
      await held(endpoint, 'swapped');
    }
    const before = [a, b].map((endpoint) => arrivalsOf(endpoint).length);
    for (const endpoint of [a, b]) await world.publishMany(endpoint.tenantId, 'more', 3);
    for (const endpoint of [a, b]) await held(endpoint, 'more');
    expect([a, b].map((endpoint) => arrivalsOf(endpoint).length)).toEqual(before);
    // An operator can see it, and why.
    const blocked = await consumer.metrics();
    expect(blocked.get('waybill_targets_blocked_total{reason="undecryptable_secret"}')).toBeGreaterThanOrEqual(2);
    const line = expect.objectContaining({
      msg: 'endpoint held',
      endpointId: a.id,
      fault: 'secret does not open: damaged',
    });
    // Lines of attempts are written some at a time.
    await vi.waitFor(() => expect(consumer.log).toContainEqual(line), { timeout: 10_000 });
    for (const endpoint of [a, b]) await write(endpoint, 'secret = $2', seal(endpoint, endpoint.secret));
    for (const endpoint of [a, b]) {
      await world.settled(endpoint.id, { 'more 1': 'delivered', 'more 2': 'delivered', 'more 3': 'delivered' });
      for (const arrival of arrivalsOf(endpoint)) {
        expect(header(arrival, 'x-card-onboarding-signature')).toBe(hmac(endpoint.secret, arrival));
      }
    }
  }, 60_000);

  it.each([
    ['an empty secret', 'secret = $2', ''],
    ['a secret that is too short', 'secret = $2', 'hunter2'],
    ['an authentication header that was moved', `auth_header_name = 'X-Api-Key', auth_header_value = $2`, null],
    ['bytes that nobody sealed', 'secret = $2', undefined],
  ])(
    '(%s) never leads to a request: nothing is signed with an empty key, or sent without its header',
    async (what, columns, text) => {
      const endpoint = await createEndpoint({ enabled: false });
      const value = text === undefined ? 'plain text' : seal(endpoint, text ?? 'their-key');
      await write(endpoint, `${columns}, enabled = true, disabled_reason = NULL`, value);
      await world.publish(endpoint.tenantId, 'never', { what });
      await until(async () => (await world.lanes(endpoint.id)).some((one) => one.lastErrorClass !== null), {
        withinMs: 20_000,
        what: 'an attempt to be given up',
      });
      await held(endpoint, 'never');
      expect(arrivalsOf(endpoint)).toEqual([]);
      await world.call('DELETE', `/v1/endpoints/${endpoint.id}`);
    },
  );

  it('because its master key is missing, holds everything until a consumer has the key, and then goes on in order', async () => {
    const endpoint = await createEndpoint({});
    await world.publish(endpoint.tenantId, 'k');
    await world.settled(endpoint.id, { 'k 1': 'delivered' });
    expect(await consumer.stop()).toBe(0);
    const other = `k2:${randomBytes(32).toString('base64')}`;
    consumer = await world.start('delivery-consumer', { WAYBILL_MASTER_KEYS: other });
    await consumer.ready();
    await world.publishMany(endpoint.tenantId, 'k', 3);
    await held(endpoint, 'k');
    expect(arrivalsOf(endpoint)).toHaveLength(1);
    expect(await consumer.stop()).toBe(0);
    // The new key writes from now on, and the old one still opens what it sealed.
    consumer = await world.start('delivery-consumer', {
      WAYBILL_MASTER_KEYS: `${other},${world.env['WAYBILL_MASTER_KEYS']!}`,
    });
    await consumer.ready();
    await world.settled(endpoint.id, { 'k 2': 'delivered', 'k 3': 'delivered', 'k 4': 'delivered' });
    const requests = arrivalsOf(endpoint).map(({ headers: h }) =>
      ['sequence', 'attempt', 'epoch'].map((name) => Number(h[`x-webhook-${name}`])),
    );
    expect(
      requests.map(([sequence]) => sequence),
      JSON.stringify(requests),
    ).toEqual([1, 2, 3, 4]);
    for (const arrival of arrivalsOf(endpoint)) {
      expect(header(arrival, 'x-card-onboarding-signature')).toBe(hmac(endpoint.secret, arrival));
    }
  }, 90_000);

  it('shows neither secret nor key in any log', () => {
    const text = world.services.map((service) => JSON.stringify(service.log) + service.stderr).join('\n');
    for (const secret of ['hunter2', 'their-key', world.env['WAYBILL_MASTER_KEYS']!.split(':')[1]!]) {
      expect(text).not.toContain(secret);
    }
  });
});
