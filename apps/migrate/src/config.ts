// What the migration reads from the environment.
import { z } from 'zod';
import { type ConfigOf, database, kafka, log, outbox, schemaRegistry, topics } from '#config';

export const migrateConfigSchema = z.object({ database, kafka, schemaRegistry, topics, outbox, log });

export type MigrateConfig = ConfigOf<typeof migrateConfigSchema>;
