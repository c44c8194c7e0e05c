// The delivery store on PostgreSQL passes the suite that the in-memory one of the simulations passes.
import { systemClock } from '#clock';
import { createPool } from '#database';
import { runMigrations } from '#database/typeorm';
import { deliveriesMigrations, fixTopicPartitions } from '#deliveries';
import { createTestDatabase } from '#testkit';
import { createDeliveryStore } from './adapters.ts';
import { CONFORMANCE_PARTITIONS, describeDeliveryStore } from './simulation/store-conformance.ts';

const migrate = async (url: string) => {
  await runMigrations(url, deliveriesMigrations);
  const pool = createPool({ url, applicationName: 'test', max: 1 });
  await fixTopicPartitions(pool, CONFORMANCE_PARTITIONS);
  await pool.end();
};

describeDeliveryStore('on PostgreSQL', async () => {
  const database = await createTestDatabase({ migrate });
  const pool = createPool({ url: database.url, applicationName: 'test', max: 3 });
  return {
    store: (holder) => createDeliveryStore(pool, holder, systemClock),
    insertCommand: async ({ endpointId, streamId, partition, sequence, kind }) => {
      const { rows } = await pool.query<{ id: string }>(
        `INSERT INTO waybill.operator_command (endpoint_id, stream_id, partition, sequence, kind, reason, requested_by)
         VALUES ($1, $2, $3, $4, $5, 'test', 'test') RETURNING id`,
        [endpointId, streamId, partition, sequence, kind],
      );
      return rows[0]!.id;
    },
    countAttempts: async (eventId) => {
      const { rows } = await pool.query<{ count: number }>(
        'SELECT count(*)::int AS count FROM waybill.attempt WHERE event_id = $1',
        [eventId],
      );
      return rows[0]!.count;
    },
    close: async () => {
      await pool.end();
      await database.drop();
    },
  };
});
