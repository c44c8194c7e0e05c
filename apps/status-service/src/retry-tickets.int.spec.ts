import { expect, it } from 'vitest';
import { systemClock } from '#clock';
import { createKafka, ensureTopics, partitionFor } from '#kafka';
import { createLogger } from '#telemetry';
import { testKafka, until } from '#testkit';
import { RetryTickets } from './retry-tickets.ts';

it('a ticket arrives on the retry topic, at the partition of its lane', async () => {
  const { brokers, prefix } = testKafka();
  const topicPrefix = prefix();
  const logger = createLogger('test', 'silent');
  const kafka = createKafka({ brokers, clientId: 'test', logger });
  const topic = `${topicPrefix}.retry`;
  const admin = kafka.admin();
  await ensureTopics(admin, { topics: [{ name: topic, partitions: 4, replicationFactor: 'auto' }] });
  await admin.disconnect();
  const producer = kafka.producer();
  const consumer = kafka.consumer({ groupId: `${topicPrefix}-reader`, topics: [topic] });
  const arrived: { partition: number; key: string; value: unknown }[] = [];
  consumer.start({
    onAssignment: () => undefined,
    onBatch: ({ partition, records }) => {
      for (const { key, value } of records)
        arrived.push({ partition, key: String(key), value: JSON.parse(String(value)) });
    },
  });

  const tickets = new RetryTickets({ producer, topicPrefix, clock: systemClock, logger });
  const command = { id: 'c', endpointId: 'e', streamId: 'card/1', sequence: 7, partition: partitionFor('card/1', 4) };
  tickets.announce([command]);
  await tickets.settled();
  await until(() => arrived.length > 0, { withinMs: 20_000, what: 'the ticket' });
  expect(arrived).toMatchObject([
    { partition: command.partition, key: 'card/1', value: { kind: 'command', endpointId: 'e', headSequence: 7 } },
  ]);
  await consumer.stop();
  await producer.disconnect();
});
