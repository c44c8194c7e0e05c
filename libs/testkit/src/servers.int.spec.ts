// The run's Kafka and schema registry.
import { Kafka, logLevel } from 'kafkajs';
import { expect, it } from 'vitest';
import { registryUrl, testKafka } from './index.ts';

// The registry tells JSON Schema from other kinds by `$schema`.
const SCHEMA = JSON.stringify({ $schema: 'http://json-schema.org/draft-07/schema#', type: 'object' });

it('carries a record through Kafka, to a group at its first attempt', async () => {
  const { brokers, prefix } = testKafka();
  const topic = `${prefix()}.events`;
  const kafka = new Kafka({ clientId: 'testkit', brokers, logLevel: logLevel.NOTHING, retry: { retries: 0 } });
  const [admin, producer, consumer] = [kafka.admin(), kafka.producer(), kafka.consumer({ groupId: topic })];
  await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
  try {
    await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] });
    await producer.send({ topic, acks: -1, messages: [{ key: 'k', value: 'v' }] });
    await consumer.subscribe({ topic, fromBeginning: true });
    const value = await new Promise<string | undefined>((resolve) => {
      void consumer.run({ eachMessage: async ({ message }) => resolve(message.value?.toString()) });
    });
    expect(value).toBe('v');
  } finally {
    await Promise.all([admin.disconnect(), producer.disconnect(), consumer.disconnect()]);
  }
});

it('gives every caller topic names of its own', () => {
  const { prefix } = testKafka();
  expect(prefix()).not.toBe(prefix());
});

it('registers a JSON schema under the same id again', async () => {
  const subject = `${testKafka().prefix()}-value`;
  const body = JSON.stringify({ schemaType: 'JSON', schema: SCHEMA });
  const headers = { 'content-type': 'application/vnd.schemaregistry.v1+json', connection: 'close' };
  const register = async () =>
    (await fetch(`${registryUrl()}/subjects/${subject}/versions`, { method: 'POST', headers, body })).json();
  const first = await register();
  expect(first).toMatchObject({ id: expect.any(Number) as number });
  expect(await register()).toMatchObject({ id: (first as { id: number }).id });
});
