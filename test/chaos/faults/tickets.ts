// Tickets that should not be there: repeated, out of date, illegible.
import { until } from '#testkit';
import { TOPIC_PREFIX, type World } from '../world.ts';

const WITHIN_MS = 40_000;
const TOPIC = `${TOPIC_PREFIX}.retry`;

/** Resolves to their number as soon as the consumers have read all of them. */
export async function crowdRetryTopic(world: World): Promise<number> {
  const kafka = world.kafka();
  const producer = kafka.producer();
  const admin = kafka.admin();
  try {
    const tickets = await staleTickets(world);
    const illegible = ['', 'x', '{}', '{"kind":"retry"}', '\u0000'].map((text) => ({
      ...tickets[0]!,
      value: Buffer.from(text),
    }));
    const crowd = [...tickets, ...illegible, { ...tickets[0]!, key: null, value: null }, ...tickets];
    await producer.send(crowd);
    const isRead = async () => {
      const [ends, offsets] = await Promise.all([
        admin.highWatermarks(TOPIC),
        admin.committedOffsets(`${TOPIC_PREFIX}.delivery`, TOPIC),
      ]);
      return [...ends].every(([partition, end]) => end === 0 || offsets.get(partition) === end);
    };
    await until(isRead, { withinMs: WITHIN_MS, what: 'the tickets to be read', everyMs: 250 });
    return crowd.length;
  } finally {
    await Promise.all([producer.disconnect(), admin.disconnect()]);
  }
}

/** For each lane one about its first delivery, long due. */
async function staleTickets({ pool }: World) {
  const { rows } = await pool.query<{ endpoint_id: string; stream_id: string; partition: number }>(
    'SELECT endpoint_id, stream_id, partition FROM waybill.lane',
  );
  return rows.map(({ endpoint_id: endpointId, stream_id: streamId, partition }) => {
    const ticket = {
      kind: 'retry',
      endpointId,
      streamId,
      headSequence: 1,
      attempt: 1,
      notBefore: new Date(0).toISOString(),
    };
    return { topic: TOPIC, partition, key: streamId, value: Buffer.from(JSON.stringify(ticket)), headers: {} };
  });
}
