// Writes docs/configuration.md from the settings themselves: node --conditions=source test/docs/configuration-reference.ts
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configReference } from '#config';
import { consumerConfigSchema } from '../../apps/delivery-consumer/src/config.ts';
import { migrateConfigSchema } from '../../apps/migrate/src/config.ts';
import { relayConfigSchema } from '../../apps/outbox-relay/src/config.ts';
import { configSchema as statusConfigSchema } from '../../apps/status-service/src/config.ts';

export const CONFIGURATION_FILE = join(import.meta.dirname, '../../docs/configuration.md');

/** The whole page. */
export function configurationPage(): string {
  const table = configReference({
    migrate: migrateConfigSchema,
    'outbox-relay': relayConfigSchema,
    'delivery-consumer': consumerConfigSchema,
    'status-service': statusConfigSchema,
  });
  return `# Configuration

Every process reads its settings from the environment, once, at its start. An empty variable counts as absent. A bad
setting, and a \`WAYBILL_\` variable that no process knows, ends the process with code 2 and one line per fault. One
environment serves all processes: each takes what it needs.

Outside production (\`NODE_ENV\`), the addresses of the local stack come from \`.stack/env\` where the environment has none.

${table}
This page is generated: \`node --conditions=source test/docs/configuration-reference.ts\`.
`;
}

if (import.meta.main) writeFileSync(CONFIGURATION_FILE, configurationPage());
