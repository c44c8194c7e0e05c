// Where the servers of this test run are.
import { randomBytes } from 'node:crypto';
import { inject } from 'vitest';
import type { StackAddresses } from './stack.ts';

/** Environment for a process that a test starts: DATABASE_URL, KAFKA_BROKERS, SCHEMA_REGISTRY_URL. */
export function stackAddresses(): StackAddresses {
  const addresses = inject('stackAddresses');
  if (addresses === undefined) throw new Error('no stack: name the file *.int.spec.ts, or put it under test/e2e');
  return { ...addresses };
}

/** Base URL of the run's schema registry, which speaks the Confluent API. All tests share its subjects. */
export function registryUrl(): string {
  return stackAddresses().SCHEMA_REGISTRY_URL;
}

export interface TestKafka {
  /** host:port of each broker. */
  brokers: string[];
  /** A new prefix for topics and groups at each call, so that tests share the cluster without meeting. */
  prefix(): string;
}

export function testKafka(): TestKafka {
  return {
    brokers: stackAddresses().KAFKA_BROKERS.split(','),
    prefix: () => `test-${randomBytes(6).toString('hex')}`,
  };
}
