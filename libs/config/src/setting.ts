// One setting: an environment variable, how its text is read, and what a reader of the reference should know about it.
import { z } from 'zod';

export interface SettingInfo {
  env: string;
  /** One sentence for the reference, in Markdown. */
  meaning: string;
  /** The text that stands for an absent variable; what the reference shows as the default. */
  fallback?: string;
  /** For the reference, when there is no fallback text: `none`, `the local stack's`. */
  shownDefault?: string;
  /** Its value is never shown, neither in a fault nor in the summary. */
  secret?: boolean;
  /** How a value is summarised in the log; default: the text itself, or `set` for a secret. */
  show?: (text: string) => string;
  /** May come from the local stack's `.stack/env` outside production. */
  localStack?: boolean;
}

/** Reads a variable's text; throws `SettingFault` when it is wrong. */
export type Parse<T> = (text: string) => T;

/** Its message continues the sentence `NAME: …` and may hold the value only if the setting is no secret: see `quoted`. */
export class SettingFault extends Error {}

/** Tells which schemas are settings, and which. */
export const settingInfos = z.registry<SettingInfo>();

/** A setting with a default. */
export function setting<T>(parse: Parse<T>, info: SettingInfo & { fallback: string }) {
  return z
    .string()
    .optional()
    .transform((text, context): T => guarded(parse, text ?? info.fallback, context))
    .register(settingInfos, info);
}

/** A setting that must be given; `wayOut` says how, and is part of the fault. */
export function requiredSetting<T>(parse: Parse<T>, info: SettingInfo & { wayOut: string }) {
  return z
    .string({ error: `is not set; ${info.wayOut}` })
    .transform((text, context): T => guarded(parse, text, context))
    .register(settingInfos, { shownDefault: 'none', ...info });
}

/** A setting that may be absent: `undefined` then. */
export function optionalSetting<T>(parse: Parse<T>, info: SettingInfo) {
  return z
    .string()
    .optional()
    .transform((text, context): T | undefined => (text === undefined ? undefined : guarded(parse, text, context)))
    .register(settingInfos, { shownDefault: 'none', ...info });
}

function guarded<T>(parse: Parse<T>, text: string, context: z.RefinementCtx): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SettingFault)) throw error;
    context.addIssue({ code: 'custom', message: error.message, input: undefined });
    return z.NEVER;
  }
}
