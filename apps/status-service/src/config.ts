// The settings of the status service.
import { z } from 'zod';
import {
  access,
  type ConfigOf,
  database,
  encryption,
  http,
  kafka,
  log,
  management,
  shutdown,
  targets,
  topics,
} from '#config';

export const configSchema = z.object({
  database,
  kafka,
  topics,
  http,
  management: management(9100),
  log,
  encryption,
  access,
  targets,
  shutdown,
});

export type Config = ConfigOf<typeof configSchema>;
