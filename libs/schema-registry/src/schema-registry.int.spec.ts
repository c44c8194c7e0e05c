// Checks registration and ids against a real registry: what several migrations at once do to it, above all.
import { catalogue, findEventType } from '#events';
import { registryUrl, testKafka } from '#testkit';
import { expect, test } from 'vitest';
import { registerSchemas } from './register-schemas.ts';
import { SchemaIds } from './schema-ids.ts';

const newTopic = () => `${testKafka().prefix()}.events`;

test('several migrations at once register the same ids, which the relay then finds', async () => {
  const topic = newTopic();
  const url = registryUrl();
  const runs = await Promise.all([1, 2, 3, 4].map(() => registerSchemas({ url, topic })));
  for (const run of runs) expect(run).toEqual(runs[0]);
  const ids = new SchemaIds(url, topic);
  for (const { type } of catalogue) {
    const registered = runs[0]?.find(({ subject }) => subject === `${topic}-${type}`);
    expect(await ids.idFor(type)).toBe(registered?.id);
  }
  expect(await ids.idFor('LOAN_PAID')).toBe(runs[0]?.find(({ subject }) => subject === `${topic}-other`)?.id);
});

test('a topic that no migration registered is a fault that can be tried again', async () => {
  await expect(new SchemaIds(registryUrl(), newTopic()).idFor('CARD_3DS')).rejects.toMatchObject({
    code: 'schema_not_registered',
    retryable: true,
  });
});

test('a changed schema becomes a second version beside the first', async () => {
  const topic = newTopic();
  await registerSchemas({ url: registryUrl(), topic });
  const before = await new SchemaIds(registryUrl(), topic).idFor('CARD_3DS');
  const changed = { ...findEventType('CARD_3DS')!.schema, required: ['card_id'] };
  const response = await fetch(`${registryUrl()}/subjects/${topic}-CARD_3DS/versions`, {
    method: 'POST',
    headers: { 'content-type': 'application/vnd.schemaregistry.v1+json' },
    body: JSON.stringify({ schemaType: 'JSON', schema: JSON.stringify(changed) }),
  });
  expect([response.status, await response.text()]).toEqual([200, expect.stringContaining('"id"')]);
  expect(await new SchemaIds(registryUrl(), topic).idFor('CARD_3DS')).toBe(before);
  await registerSchemas({ url: registryUrl(), topic });
});
