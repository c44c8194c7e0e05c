// Renders every setting as the Markdown table of docs/configuration.md.
import type { z } from 'zod';
import { groups } from './fragments.ts';
import { settingsOf } from './load-config.ts';

/**
 * Markdown tables, one per group. With the apps' schemas it says which process reads each variable, and shows the
 * defaults of each where they differ (`MANAGEMENT_PORT`).
 */
export function configReference(apps: Readonly<Record<string, z.ZodObject>> = {}): string {
  const readers = Object.entries(apps).map(([app, schema]) => ({ app, settings: settingsOf(schema) }));
  const rows = Object.values(groups)
    .flatMap((group) => settingsOf(group))
    .map(({ info }) => {
      const uses = readers.flatMap(({ app, settings }) =>
        settings.filter((setting) => setting.info.env === info.env).map((setting) => ({ app, info: setting.info })),
      );
      const cells = [`\`${info.env}\``, defaultOf(uses.length > 0 ? uses : [{ app: '', info }]), info.meaning];
      const usedBy = uses.length === readers.length ? 'all' : uses.map(({ app }) => app).join(', ');
      return readers.length > 0 ? [...cells, usedBy] : cells;
    });
  const header = ['variable', 'default', 'meaning', ...(readers.length > 0 ? ['read by'] : [])];
  return [header, header.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

type Use = { app: string; info: { fallback?: string; shownDefault?: string } };

function defaultOf(uses: readonly Use[]): string {
  const texts = uses.map(({ info }) => shown(info));
  if (new Set(texts).size === 1) return texts[0]!;
  return uses.map(({ app }, index) => `${texts[index]} ${app}`).join(', ');
}

function shown({ fallback, shownDefault }: Use['info']): string {
  if (fallback === undefined) return shownDefault ?? 'none';
  return fallback === '' ? 'empty' : `\`${fallback}\``;
}
