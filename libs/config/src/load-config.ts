// Reads an app's settings from the environment with one schema, and names every fault at once.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from './config-error.ts';
import { knownNames } from './fragments.ts';
import { nearest } from './nearest.ts';
import { type SettingInfo, settingInfos } from './setting.ts';

export type AppName = 'outbox-relay' | 'delivery-consumer' | 'status-service' | 'migrate' | (string & {});
export type Environment = Readonly<Record<string, string | undefined>>;
/** The type of the loaded configuration: `ConfigOf<typeof schema>`. */
export type ConfigOf<S extends z.ZodType> = z.output<S>;

export interface LoadOptions {
  /** Where `.stack/env` is looked for; default: the working directory. */
  directory?: string;
}

const summaries = new WeakMap<object, Record<string, string>>();

/**
 * Parses the settings that `schema` (a Zod object of groups) names. Empty variables count as absent. Outside production
 * (`NODE_ENV`), the addresses of the local stack come from `.stack/env` when the environment has none.
 * Throws ConfigError with a line per fault, unknown `WAYBILL_` variables among them.
 */
export function loadConfig<S extends z.ZodObject>(
  app: AppName,
  schema: S,
  // oxlint-disable-next-line node/no-process-env -- the one place that reads it
  env: Environment = process.env,
  { directory = process.cwd() }: LoadOptions = {},
): ConfigOf<S> {
  const settings = settingsOf(schema);
  const stack = env.NODE_ENV === 'production' ? {} : readStackEnv(directory);
  const texts = new Map(
    settings.map(({ info }) => [
      info.env,
      env[info.env] || (info.localStack ? stack[info.env] : undefined) || undefined,
    ]),
  );
  const result = schema.safeParse(nest(settings, texts));
  const faults = [...(result.success ? [] : describeIssues(result.error, settings)), ...unknownNames(env, settings)];
  if (!result.success || faults.length > 0) throw new ConfigError(faults);
  summaries.set(result.data, { app, ...summarise(settings, texts) });
  return result.data;
}

/** Variable → value for one log line at start: defaults included, secrets only as `set`. Of a config that `loadConfig` made. */
export function describe(config: object): Record<string, string> {
  const summary = summaries.get(config);
  if (!summary) throw new Error('describe() wants the very object that loadConfig() returned');
  return summary;
}

export interface LocatedSetting {
  path: string[];
  info: SettingInfo;
}

/** The settings of a schema with their places in it. */
export function settingsOf(schema: z.core.$ZodType, path: string[] = []): LocatedSetting[] {
  const info = settingInfos.get(schema);
  if (info) return [{ path, info }];
  if (schema instanceof z.ZodPipe) return settingsOf(schema.in, path);
  if (schema instanceof z.ZodObject) {
    return Object.entries(schema.shape).flatMap(([key, part]) => settingsOf(part as z.core.$ZodType, [...path, key]));
  }
  throw new Error(`the configuration schema has something at ${path.join('.')} that is no setting`);
}

function nest(settings: readonly LocatedSetting[], texts: ReadonlyMap<string, string | undefined>) {
  const root: Record<string, unknown> = {};
  for (const { path, info } of settings) {
    const leaf = path.at(-1)!;
    let group = root;
    for (const key of path.slice(0, -1)) group = (group[key] ??= {}) as Record<string, unknown>;
    group[leaf] = texts.get(info.env);
  }
  return root;
}

function describeIssues(error: z.ZodError, settings: readonly LocatedSetting[]): string[] {
  const nameAt = new Map(settings.map(({ path, info }) => [path.join('.'), info.env]));
  return error.issues.map(({ path, message }) => `${nameAt.get(path.join('.')) ?? path.join('.')}: ${message}`);
}

function unknownNames(env: Environment, settings: readonly LocatedSetting[]): string[] {
  const strangers = settings.map(({ info }) => info.env).filter((name) => isOurs(name) && !knownNames.includes(name));
  // Another process of the same deployment would refuse it.
  if (strangers.length > 0) throw new Error(`settings missing from libs/config: ${strangers.join(', ')}`);
  return Object.keys(env)
    .filter((name) => isOurs(name) && !knownNames.includes(name))
    .toSorted()
    .map((name) => `${name}: is not a setting; did you mean ${nearest(name, knownNames.filter(isOurs))}?`);
}

const isOurs = (name: string): boolean => name.startsWith('WAYBILL_');

function summarise(settings: readonly LocatedSetting[], texts: ReadonlyMap<string, string | undefined>) {
  const shown = settings.flatMap(({ info }) => {
    const text = texts.get(info.env) ?? info.fallback;
    if (text === undefined) return [];
    return [[info.env, info.show?.(text) ?? (info.secret ? 'set' : text)] as const];
  });
  return Object.fromEntries(shown);
}

/** `export NAME='value'` lines, as a shell would source them; nothing when there is no such file. */
function readStackEnv(directory: string): Environment {
  let content: string;
  try {
    content = readFileSync(join(directory, '.stack', 'env'), 'utf8');
  } catch {
    return {};
  }
  const lines = content.matchAll(/^(?:export\s+)?([A-Z_]+)=(?:'([^']*)'|"([^"]*)"|(\S*))\s*$/gm);
  return Object.fromEntries(
    [...lines].map(([, name = '', single, double, bare]): [string, string | undefined] => [
      name,
      single ?? double ?? bare,
    ]),
  );
}
