// What the consumer reads from the environment.
import { z } from 'zod';
import {
  type ConfigOf,
  database,
  delivery,
  encryption,
  kafka,
  log,
  management,
  retention,
  shutdown,
  targets,
  topics,
} from '#config';

export const consumerConfigSchema = z.object({
  database,
  kafka,
  topics,
  encryption,
  targets,
  delivery,
  retention,
  management: management(9102),
  log,
  shutdown,
});

export type ConsumerConfig = ConfigOf<typeof consumerConfigSchema>;
