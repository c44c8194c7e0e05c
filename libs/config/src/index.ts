// Front door of config: the settings of every process, read once from the environment, with all faults named.
export { type AppName, type ConfigOf, describe, type LoadOptions, loadConfig } from './load-config.ts';
export { ConfigError } from './config-error.ts';
export { configReference } from './config-reference.ts';
export {
  access,
  database,
  delivery,
  encryption,
  http,
  kafka,
  knownNames,
  log,
  management,
  outbox,
  reconciliation,
  retention,
  schemaRegistry,
  shutdown,
  targets,
  topics,
} from './fragments.ts';
export type { MasterKey } from './parsers.ts';
export { optionalSetting, requiredSetting, setting } from './setting.ts';
