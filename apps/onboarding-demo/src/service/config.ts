// What the sample domain service reads from the environment: its database and its ports. It knows nothing of Kafka.
import { z } from 'zod';
import { type ConfigOf, database, http, log, management, shutdown } from '#config';

export const demoConfigSchema = z.object({ database, http, management: management(9103), log, shutdown });

export type DemoConfig = ConfigOf<typeof demoConfigSchema>;
