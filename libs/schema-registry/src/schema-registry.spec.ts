// Checks registration and ids against a small registry on loopback that can be told to misbehave.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { FakeClock } from '#clock';
import { catalogue } from '#events';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { registerSchemas } from './register-schemas.ts';
import { SchemaIds } from './schema-ids.ts';

const topic = 'waybill.events';

/** Answers like a Confluent-compatible registry; `misbehave` may answer first. */
class FakeRegistry {
  readonly requests: string[] = [];
  readonly schemas = new Map<string, string[]>();
  readonly levels = new Map<string, string>();
  misbehave: (request: string, response: ServerResponse) => boolean = () => false;
  readonly #server = createServer((request, response) => void this.#answer(request, response));
  url = '';

  async start() {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/apis/ccompat/v7`;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<true> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const [, kind = '', subject = '', versions] = (request.url ?? '').replace('/apis/ccompat/v7', '').split('/');
    const line = `${request.method} ${kind}/${subject}${versions ? '/versions' : ''}`;
    this.requests.push(line);
    if (this.misbehave(line, response)) return true;
    const body =
      text === '' ? {} : (JSON.parse(text) as { schema?: string; schemaType?: string; compatibility?: string });
    if (kind === 'config') return this.#config(request.method ?? '', subject, body.compatibility ?? '', response);
    const known = this.schemas.get(subject) ?? [];
    if (body.schemaType !== 'JSON' || body.schema === undefined) return send(response, 422, 'not JSON Schema');
    if (versions && !known.includes(body.schema)) this.schemas.set(subject, [...known, body.schema]);
    const id = [...this.schemas.values()].flat().indexOf(body.schema) + 1;
    return this.schemas.get(subject)?.includes(body.schema)
      ? send(response, 200, { id })
      : send(response, 404, 'no such schema');
  }

  #config(method: string, subject: string, compatibility: string, response: ServerResponse) {
    if (method === 'PUT') this.levels.set(subject, compatibility);
    const level = this.levels.get(subject);
    return level
      ? send(response, 200, { compatibility, compatibilityLevel: level })
      : send(response, 404, 'no such subject');
  }
}

function send(response: ServerResponse, status: number, answer: object | string): true {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(typeof answer === 'string' ? { error_code: status, message: answer } : answer));
  return true;
}

let registry: FakeRegistry;
beforeEach(async () => {
  registry = new FakeRegistry();
  await registry.start();
});
afterEach(() => registry.stop());

describe('registration', () => {
  test('puts every type of the catalogue, and the open schema for all others, under its own subject', async () => {
    const registered = await registerSchemas({ url: registry.url, topic });
    expect(registered.map(({ subject }) => subject)).toEqual([
      ...catalogue.map(({ type }) => `waybill.events-${type}`),
      'waybill.events-other',
    ]);
    expect(JSON.parse(registry.schemas.get('waybill.events-CARD_3DS')?.[0] ?? '')).toMatchObject({ title: 'CARD_3DS' });
    expect(new Set(registry.levels.values())).toEqual(new Set(['NONE']));
  });

  test('again changes nothing', async () => {
    const first = await registerSchemas({ url: registry.url, topic });
    expect(await registerSchemas({ url: registry.url, topic })).toEqual(first);
    expect([...registry.schemas.values()].every((versions) => versions.length === 1)).toBe(true);
  });

  test.each([409, 500])('tries again when another one registers at the same time (%i)', async (status) => {
    let conflicts = 3;
    registry.misbehave = (request, response) =>
      request.includes('/versions') && conflicts-- > 0 && send(response, status, 'rule already exists');
    expect(await registerSchemas({ url: registry.url, topic })).toHaveLength(catalogue.length + 1);
  });

  test('gives up with a fault that says whether to try again', async () => {
    registry.misbehave = (_request, response) => send(response, 401, 'who are you?');
    await expect(registerSchemas({ url: registry.url, topic })).rejects.toMatchObject({
      code: 'registry_refused',
      retryable: false,
      message: expect.stringContaining('who are you?') as string,
    });
    await registry.stop();
    await expect(registerSchemas({ url: registry.url, topic })).rejects.toMatchObject({
      code: 'registry_unavailable',
      retryable: true,
    });
    await registry.start();
  });

  test('says so when someone set another compatibility level', async () => {
    registry.levels.set('waybill.events-ONBOARDING_COMPLETED', 'FULL');
    await expect(registerSchemas({ url: registry.url, topic })).rejects.toMatchObject({
      code: 'registry_refused',
      message: expect.stringMatching(/ONBOARDING_COMPLETED.*NONE != FULL/) as string,
    });
  });

  test('signs in with the credentials of the URL', async () => {
    let authorization: string | undefined;
    registry.misbehave = (_request, response) => {
      authorization = response.req.headers.authorization;
      return false;
    };
    await registerSchemas({ url: registry.url.replace('http://', 'http://jo:p%40ss@'), topic });
    expect(authorization).toBe(`Basic ${Buffer.from('jo:p@ss').toString('base64')}`);
  });
});

describe('ids', () => {
  const lookUp = 'POST subjects/waybill.events-CARD_3DS';

  test('are asked for once, however many ask at once, and then no longer need the registry', async () => {
    await registerSchemas({ url: registry.url, topic });
    registry.requests.length = 0;
    const ids = new SchemaIds(registry.url, topic);
    const [first, second] = await Promise.all([ids.idFor('CARD_3DS'), ids.idFor('CARD_3DS')]);
    expect(first).toBe(second);
    expect(registry.requests).toEqual([lookUp]);
    await registry.stop();
    expect(await ids.idFor('CARD_3DS')).toBe(first);
    await registry.start();
  });

  test('of types outside the catalogue are one id, asked for once', async () => {
    await registerSchemas({ url: registry.url, topic });
    registry.requests.length = 0;
    const ids = new SchemaIds(registry.url, topic);
    expect(await ids.idFor('LOAN_PAID')).toBe(await ids.idFor('LOAN_CLOSED'));
    expect(registry.requests).toEqual(['POST subjects/waybill.events-other']);
  });

  test('are asked for again after a failure', async () => {
    await registerSchemas({ url: registry.url, topic });
    const ids = new SchemaIds(registry.url, topic);
    registry.misbehave = (_request, response) => send(response, 503, 'starting');
    await expect(ids.idFor('CARD_3DS')).rejects.toMatchObject({ code: 'registry_unavailable', retryable: true });
    registry.misbehave = () => false;
    expect(await ids.idFor('CARD_3DS')).toBeGreaterThan(0);
  });

  test('of a schema that was never registered are a retryable fault that names the way out', async () => {
    await expect(new SchemaIds(registry.url, topic).idFor('CARD_3DS')).rejects.toMatchObject({
      code: 'schema_not_registered',
      retryable: true,
      message: expect.stringContaining('run the migration') as string,
    });
  });

  test('stay those of this build when a newer one has registered another version', async () => {
    await registerSchemas({ url: registry.url, topic });
    const before = await new SchemaIds(registry.url, topic).idFor('CARD_3DS');
    registry.schemas.get('waybill.events-CARD_3DS')?.push('{"title":"newer"}');
    expect(await new SchemaIds(registry.url, topic).idFor('CARD_3DS')).toBe(before);
  });

  test('that cannot be asked for because the answer breaks off are a retryable fault', async () => {
    const clock = new FakeClock();
    const cut = Promise.withResolvers<void>();
    registry.misbehave = (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': 100 });
      response.write('{"id":');
      setImmediate(() => {
        response.destroy();
        cut.resolve();
      });
      return true;
    };
    const answer = new SchemaIds(registry.url, topic, clock).idFor('CARD_3DS');
    const fault = expect(answer).rejects.toMatchObject({ code: 'registry_unavailable', retryable: true });
    await cut.promise;
    await clock.advanceAsync(10_000);
    await fault;
    expect(clock.pending).toBe(0);
  });
});
