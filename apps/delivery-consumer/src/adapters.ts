// The real forms of the dispatcher's ports: PostgreSQL, the endpoints' configuration, and Kafka.
import { writeAuditEntry } from '#audit';
import type { Clock } from '#clock';
import type { Pool } from '#database';
import {
  acquirePartitions,
  commitBatch,
  findDueLanes,
  findDueUnordered,
  findHaltedEndpoints,
  findHaltedLanes,
  findLanes,
  findOpenCommands,
  findProbeLane,
  findUnordered,
  judgeClaims,
  loadPages,
  releasePartitions,
} from '#deliveries';
import { findChangedEndpointPolicies, findEndpointPolicies, pauseEndpoint, type SecretBox } from '#endpoints';
import type { LogConsumer, LogProducer } from '#kafka';
import type { DeliveryStore, EndpointSource, Log } from './ports.ts';

/** Longer than any transaction that changes an endpoint. */
const LOOK_BACK_MS = 60_000;

export function createDeliveryStore(pool: Pool, holder: string, clock: Clock): DeliveryStore {
  const now = () => clock.monotonic();
  return {
    databaseNow: async () => {
      const { rows } = await pool.query<{ now: number }>(
        'SELECT extract(epoch FROM clock_timestamp())::float8 * 1000 AS now',
      );
      return rows[0]!.now;
    },
    acquire: (leaseMs, partitions) => acquirePartitions(pool, holder, leaseMs, partitions),
    commit: (owned, renewMs, batch, onClock) => commitBatch(pool, { holder, owned, renewMs, onClock }, batch),
    release: (owned) => releasePartitions(pool, holder, owned),
    findLanes: (ids) => findLanes(pool, ids),
    findDueLanes: (query) => findDueLanes(pool, query),
    findProbeLane: (partitions, endpointId) => findProbeLane(pool, partitions, endpointId),
    findHaltedLanes: (partitions, endpointId, limit) => findHaltedLanes(pool, partitions, endpointId, limit),
    findHaltedEndpoints: (partitions) => findHaltedEndpoints(pool, partitions),
    loadPages: (requests, limit) => loadPages(pool, requests, limit, now()),
    findDueUnordered: (query) => findDueUnordered(pool, { ...query, admittedAt: now() }),
    findUnordered: (ids) => findUnordered(pool, ids, now()),
    judgeClaims: (claims) => judgeClaims(pool, claims),
    findOpenCommands: (partitions, limit) => findOpenCommands(pool, partitions, limit),
  };
}

export function createEndpointSource(pool: Pool, secretBox: SecretBox): EndpointSource {
  return {
    findPolicies: (ids) => findEndpointPolicies(pool, secretBox, ids),
    findChanged: (knownRevision) =>
      findChangedEndpointPolicies(pool, secretBox, { lookBackMs: LOOK_BACK_MS, knownRevision }),
    pause: async (endpointId, reason) =>
      void (await pauseEndpoint(pool, { endpointId, reason, recordPause: writeAuditEntry })),
  };
}

export function createLog(consumer: LogConsumer, producer: LogProducer, eventsTopic: string): Log {
  return {
    produce: (records) => producer.send(records),
    commit: async (offsets) => void (await consumer.commit(offsets)),
    pause: (partition) => consumer.pause(eventsTopic, [partition]),
    resume: (partition) => consumer.resume(eventsTopic, [partition]),
    rewind: (reason) => consumer.rejoin(reason),
  };
}
