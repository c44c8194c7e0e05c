// Rows become records: exact bytes, headers, partition; what the schema or Kafka refuses goes all the same, marked.
import { describe, expect, it } from 'vitest';
import { catalogue, decodeRecord, type WaybillEvent } from '#events';
import { KafkaFault, partitionFor, type ProducedRecord, RecordTooLarge } from '#kafka';
import type { OutboxRow } from '#outbox';
import { createMetrics } from '#telemetry';
import { createRelayMetrics } from './metrics.ts';
import { createPublish } from './publish.ts';

const ENDPOINT = '00000000-0000-4000-8000-00000000000a';
const ordered = catalogue.find((entry) => entry.ordering === 'stream')!;

function row(n: number, given: Partial<OutboxRow> = {}): OutboxRow {
  return {
    id: n,
    shard: 0,
    fillsPage: false,
    eventId: `0190a000-0000-7000-8000-00000000000${n}`,
    tenantId: 'acme',
    streamId: `stream-${n}`,
    type: 'OURS',
    targets: `[["${ENDPOINT}",${n}]]`,
    payload: `{ "n" : ${n} }`,
    traceparent: null,
    occurredAt: '2026-01-02T03:04:05.000006Z',
    enqueuedAt: '2026-01-02T03:04:05.123456Z',
    ...given,
  };
}

function start(refuse: (record: ProducedRecord) => boolean = () => false) {
  const sent: ProducedRecord[][] = [];
  const metrics = createRelayMetrics(createMetrics('outbox-relay', 'test'), async () => null);
  const send = async (records: readonly ProducedRecord[]) => {
    const tooLarge = records.find((record) => refuse(record));
    if (tooLarge) throw new RecordTooLarge(tooLarge, new KafkaFault('record_too_large', 'too large'));
    sent.push([...records]);
  };
  const schemaIds = { idFor: async (type: string) => type.length };
  const publish = createPublish({ producer: { send }, schemaIds, topic: 'w.events', partitions: 12, metrics });
  return { publish, sent, metrics };
}

function decoded(record: ProducedRecord): WaybillEvent {
  const result = decodeRecord(record);
  if (!result.ok) throw new Error(result.reason);
  return result.event;
}

describe('createPublish', () => {
  it('sends every row, in order, with its bytes, to the partition of its stream', async () => {
    const { publish, sent } = start();
    const rows = [1, 2, 3].map((n) => row(n));
    await publish(rows);
    expect(sent).toHaveLength(1);
    for (const [n, record] of sent[0]!.entries()) {
      expect(record).toMatchObject({ topic: 'w.events', partition: partitionFor(rows[n]!.streamId, 12) });
      const event = decoded(record);
      expect(event.payload.toString()).toBe(rows[n]!.payload);
      expect(event).toMatchObject({ eventId: rows[n]!.eventId, enqueuedAt: rows[n]!.enqueuedAt, tenantId: 'acme' });
      expect(event.targets).toEqual([{ endpointId: ENDPOINT, sequence: n + 1 }]);
      expect(event).not.toHaveProperty('payloadFault');
    }
  });

  it('marks a payload that its schema refuses, keeps its bytes, and says nothing of its values', async () => {
    const { publish, sent, metrics } = start();
    await publish([row(1, { type: ordered.type, payload: '{"secret value":1}' }), row(2)]);
    const [bad, good] = sent[0]!.map(decoded);
    expect(bad!.payload.toString()).toBe('{"secret value":1}');
    expect(bad!.payloadFault).toMatch(/\w/);
    expect(bad!.payloadFault!.length).toBeLessThanOrEqual(500);
    expect(good).not.toHaveProperty('payloadFault');
    expect((await metrics.invalidPayloads.get()).values[0]!.value).toBe(1);
  });

  it.each([
    ['a payload that JSON.parse refuses', '{'],
    ['nothing but nesting', `${'['.repeat(200_000)}${']'.repeat(200_000)}`],
  ])('is not stopped by %s', async (_what, payload) => {
    const { publish, sent } = start();
    await publish([row(1, { type: ordered.type, payload }), row(2)]);
    expect(sent[0]!.map((record) => decoded(record).payloadFault !== undefined)).toEqual([true, false]);
  });

  it('puts a stub in the place of what Kafka refuses as too large, and sends the others', async () => {
    const { publish, sent, metrics } = start((record) => record.value!.length > 1_000);
    const large = `"${'x'.repeat(2_000)}"`;
    await publish([row(1), row(2, { payload: large }), row(3), row(4, { payload: large })]);
    const events = sent[0]!.map(decoded);
    expect(events.map((event) => event.payload.toString())).toEqual(['{ "n" : 1 }', 'null', '{ "n" : 3 }', 'null']);
    expect(events.map((event) => event.payloadFault !== undefined)).toEqual([false, true, false, true]);
    expect(events[1]).toMatchObject({ eventId: row(2).eventId, targets: [{ endpointId: ENDPOINT, sequence: 2 }] });
    expect((await metrics.oversized.get()).values[0]!.value).toBe(2);
  });

  it('gives every other fault to its caller: nothing is known to be published', async () => {
    const fault = new KafkaFault('timed_out', 'no answer');
    const { metrics } = start();
    const producer = { send: () => Promise.reject(fault) };
    const schemaIds = { idFor: async () => 1 };
    const publish = createPublish({ producer, schemaIds, topic: 'w.events', partitions: 1, metrics });
    await expect(publish([row(1)])).rejects.toBe(fault);
  });
});
