// Writes src/payloads.ts, the payload types, from the catalogue's JSON Schemas: `node --conditions=source libs/events/generate.ts`.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { compile } from 'json-schema-to-typescript';
import { format, resolveConfig } from 'prettier';
import { catalogue } from './src/catalogue.ts';

const target = fileURLToPath(new URL('./src/payloads.ts', import.meta.url));

/** The text of payloads.ts, formatted by the project's rules. */
export async function generatePayloadTypes(): Promise<string> {
  const interfaces = [];
  for (const { type, schema } of catalogue) {
    const source = await compile(schema, type, { bannerComment: '', format: false });
    interfaces.push(source.replace(/export interface \w+/, `interface ${interfaceName(type)}`));
  }
  const members = catalogue.map(({ type }) => `${type}: ${interfaceName(type)};`);
  const source = [
    '// Payload types of the catalogue, generated from its JSON Schemas by ../generate.ts: change those, not this file.',
    ...interfaces,
    `/** Event type → its payload. */\nexport interface EventPayloads { ${members.join('\n')} }`,
  ].join('\n\n');
  return format(source, { ...(await resolveConfig(target)), parser: 'typescript' });
}

/** CARD_3DS → Card3ds */
const interfaceName = (type: string): string =>
  type
    .split('_')
    .map((word) => `${word.slice(0, 1)}${word.slice(1).toLowerCase()}`)
    .join('');

if (process.argv[1] === import.meta.filename) await writeFile(target, await generatePayloadTypes());
