// What the relay reads from the environment.
import { z } from 'zod';
import {
  type ConfigOf,
  database,
  kafka,
  log,
  management,
  outbox,
  reconciliation,
  retention,
  schemaRegistry,
  shutdown,
  topics,
} from '#config';

export const relayConfigSchema = z.object({
  database,
  kafka,
  schemaRegistry,
  topics,
  outbox,
  reconciliation,
  retention,
  management: management(9101),
  log,
  shutdown,
});

export type RelayConfig = ConfigOf<typeof relayConfigSchema>;
