// What is left of a run in PostgreSQL, in Kafka and behind the API, as lines of JSON.
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TopicRecord } from './checker/history.ts';
import { Journal } from './journal.ts';
import { TOPIC_PREFIX, type World } from './world.ts';

const PAGE_ROWS = 2_000;
const TOPICS_WITHIN_MS = 120_000;
const API_SAMPLE = 300;

const TABLES: readonly { file: string; rows: string }[] = [
  {
    file: 'deliveries.jsonl',
    rows: `SELECT row_to_json(d)::jsonb || '{"table":"delivery"}' AS row FROM waybill.delivery d
           UNION ALL SELECT row_to_json(h)::jsonb || '{"table":"delivery_history"}' FROM waybill.delivery_history h`,
  },
  { file: 'attempts.jsonl', rows: 'SELECT row_to_json(t) AS row FROM waybill.attempt t' },
  { file: 'lanes.jsonl', rows: 'SELECT row_to_json(t) AS row FROM waybill.lane t' },
  {
    file: 'commands.jsonl',
    rows: 'SELECT row_to_json(t) AS row FROM waybill.operator_command t ORDER BY requested_at',
  },
  { file: 'audit.jsonl', rows: 'SELECT row_to_json(t) AS row FROM waybill.audit_entry t' },
  { file: 'republish.jsonl', rows: 'SELECT row_to_json(t) AS row FROM outbox.republish_request t ORDER BY id' },
];

/** Page by page through a cursor: 100,000 deliveries with their payloads are not held at once. */
export async function dumpTables(world: World): Promise<void> {
  const client = await world.pool.connect();
  try {
    for (const { file, rows } of TABLES) {
      using journal = new Journal(join(world.folder, file));
      await client.query(`BEGIN; DECLARE dump NO SCROLL CURSOR FOR ${rows}`);
      for (;;) {
        const { rows: page } = await client.query<{ row: object }>(`FETCH ${PAGE_ROWS} FROM dump`);
        for (const { row } of page) journal.append(row);
        if (page.length < PAGE_ROWS) break;
      }
      await client.query('COMMIT');
    }
  } finally {
    client.release();
  }
}

/** @throws when the brokers don't give all records in time */
export async function dumpTopics(world: World): Promise<void> {
  const topics = ['events', 'retry', 'dead-letter'].map((name) => `${TOPIC_PREFIX}.${name}`);
  const kafka = world.kafka();
  const admin = kafka.admin();
  using journal = new Journal(join(world.folder, 'topics.jsonl'));
  const missing = new Map<string, number>();
  for (const topic of topics) {
    for (const [partition, high] of await admin.highWatermarks(topic)) missing.set(`${topic}/${partition}`, high);
  }
  await admin.disconnect();
  const consumer = kafka.consumer({ groupId: `${TOPIC_PREFIX}.dump`, topics });
  consumer.start({
    onAssignment: () => undefined,
    onBatch: ({ topic, partition, records }) => {
      for (const { offset, timestamp, key, headers, value } of records as any[]) {
        journal.append({
          topic,
          partition,
          offset: String(offset),
          timestamp: String(timestamp ?? ''),
          key: key === null ? null : String(key),
          headers: Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, String(text)])),
          valueBase64: value === null ? null : Buffer.from(value).toString('base64'),
        } satisfies TopicRecord);
      }
      const last = records.at(-1);
      const place = `${topic}/${partition}`;
      if (last !== undefined && last.offset + 1 >= missing.get(place)!) missing.delete(place);
    },
  });
  for (const [place, high] of missing) if (high === 0) missing.delete(place);
  const deadline = performance.now() + TOPICS_WITHIN_MS;
  try {
    while (missing.size > 0) {
      if (performance.now() > deadline) throw new Error(`records are missing from ${[...missing.keys()].join(', ')}`);
      await delay(100);
    }
  } finally {
    await consumer.stop();
  }
}

/** A sample of what users see, the odd ones first: not delivered at once, not delivered at all. */
export async function dumpApi(world: World): Promise<void> {
  using journal = new Journal(join(world.folder, 'api-deliveries.jsonl'));
  const ids = new Set<string>();
  for (const filter of ['state=skipped', 'state=exhausted', 'errorClass=timeout', 'state=delivered']) {
    const { body } = await world.api.call('GET', `/v1/deliveries?${filter}&limit=${API_SAMPLE / 4}`);
    for (const { id } of (body?.items ?? []) as { id: string }[]) ids.add(id);
  }
  for (const id of ids) {
    const { status, body } = await world.api.call('GET', `/v1/deliveries/${id}`);
    if (status === 200) journal.append(body);
  }
}
