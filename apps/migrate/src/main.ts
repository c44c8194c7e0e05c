// One run of all migrations; waits for servers that are not there yet, ends with code 0 when everything is in place.
import { describe, loadConfig } from '#config';
import { isRetryable } from '#database';
import { createLogger } from '#telemetry';
import { retryForever, runMain } from '#worker';
import { migrateConfigSchema } from './config.ts';
import { migrateDatabase, migrateSchemas, migrateTopics } from './migrate.ts';

await runMain(async () => {
  const config = loadConfig('migrate', migrateConfigSchema);
  const logger = createLogger('migrate', config.log.level);
  logger.info({ config: describe(config) }, 'starting');
  const migrations = await retryForever('the database migrations', () => onlyRetryable(migrateDatabase(config)), {
    logger,
  });
  logger.info({ migrations }, 'database is in place');
  const topics = await retryForever('the topics', () => migrateTopics(config, logger), { logger });
  logger.info({ created: topics }, 'topics are in place');
  const subjects = await retryForever('the registry subjects', () => migrateSchemas(config), { logger });
  logger.info({ subjects }, 'registry subjects are in place');
});

/** A database that is away is waited for; a migration that fails is not tried again. */
async function onlyRetryable<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw isRetryable(error) ? error : Object.assign(error as Error, { retryable: false });
  }
}
