// Checks that a record of which nothing can be made goes to the dead letters as it came.
import { createLogger } from '#telemetry';
import type { ProducedRecord } from '#kafka';
import { expect, it } from 'vitest';
import { Outgoing } from './outgoing.ts';
import type { Log } from './ports.ts';

it('copies a record that cannot be decoded, whatever its headers are', async () => {
  const produced: ProducedRecord[] = [];
  const log = { produce: (records: readonly ProducedRecord[]) => Promise.resolve(void produced.push(...records)) };
  const logger = createLogger('test', 'silent');
  const outgoing = new Outgoing({ log: log as unknown as Log, logger, topicPrefix: 'waybill', partitions: 12 });
  const raw = Buffer.from([0xff, 0]);
  const headers = { text: 'a', raw, twice: ['b', null], empty: null, missing: undefined };
  const record = { offset: 7, key: 'card-1', value: raw, headers, timestampMs: 0 };
  outgoing.deadLetterRecord(3, record, 'the payload is not UTF-8', () => undefined);
  await outgoing.flush();
  expect(produced).toEqual([
    {
      topic: 'waybill.dead-letter',
      partition: 3,
      key: Buffer.from('card-1'),
      value: raw,
      headers: {
        text: Buffer.from('a'),
        raw,
        twice: Buffer.from('b'),
        'waybill-reason': 'the payload is not UTF-8',
        'waybill-offset': '7',
      },
    },
  ]);
});
