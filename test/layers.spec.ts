// Proves each rule of .dependency-cruiser.cjs: a small workspace with one planted violation of each must be objected to.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = resolve(import.meta.dirname, '..');
const config = join(root, '.dependency-cruiser.cjs');
const rules = (createRequire(import.meta.url)(config) as { forbidden: { name: string }[] }).forbidden.map(
  ({ name }) => name,
);

const libs = ['clock', 'lane', 'events', 'config', 'database', 'kafka', 'deliveries', 'testkit'];
const doors = [
  ...libs.map((name) => [`#${name}`, `${name}/src/index`]),
  ['#database/typeorm', 'database/src/typeorm'],
  ['#events/validate', 'events/src/validate'],
];
const packages = {
  dependencies: [
    'zod',
    'ajv',
    'pg',
    'typeorm',
    'kafkajs',
    'undici',
    '@nestjs/core',
    '@kafkajs/confluent-schema-registry',
  ],
  devDependencies: ['vitest'],
};

/** Files that break no rule: what each layer may do. */
const allowed: Record<string, string> = {
  'libs/lane/src/lane.ts': `import '#clock'; import 'zod'; import './schedule.ts';`,
  'libs/lane/src/schedule.ts': `import 'node:crypto';`,
  'libs/lane/src/lane.spec.ts': `import 'vitest'; import '#testkit'; import '#deliveries';`,
  'libs/events/src/validate.ts': `import 'ajv';`,
  'libs/config/src/load.ts': `import '#clock'; import 'zod';`,
  'libs/database/src/pool.ts': `import '#config'; import '#clock'; import 'pg';`,
  'libs/database/src/typeorm.ts': `import 'typeorm';`,
  'libs/kafka/src/link.ts': `import 'kafkajs';`,
  'libs/deliveries/src/journal.ts': `import '#database'; import '#config'; import '#lane'; import 'pg';`,
  'apps/relay/src/main.ts': `import '#deliveries'; import '#kafka'; import '#config'; import '@nestjs/core'; import './pass.ts';`,
  'apps/relay/src/pass.ts': ``,
  'apps/relay/src/admin.ts': `import '#database/typeorm'; import '#events/validate';`,
  'apps/outbox-relay/src/main.ts': `import '#database'; import '#events/validate';`,
  'test/e2e/run.ts': `import '#testkit'; import 'pg';`,
  'deploy/local/stack.ts': `import 'pg'; import '#kafka';`,
};

/** One violation of each rule: rule, file, its imports. */
const planted: [rule: string, file: string, content: string][] = [
  ['layer-pure', 'libs/clock/src/planted.ts', `import '#config';`],
  ['layer-platform', 'libs/config/src/planted.ts', `import '#lane';`],
  ['layer-adapters', 'libs/kafka/src/planted.ts', `import '#deliveries';`],
  ['layer-stores', 'libs/deliveries/src/planted.ts', `import '../../../apps/relay/src/main.ts';`],
  ['apps-are-entered-by-nobody', 'apps/other/src/planted.ts', `import '../../relay/src/pass.ts';`],
  ['apps-are-entered-by-nobody', 'libs/testkit/src/planted-app.ts', `import '../../../apps/relay/src/pass.ts';`],
  ['libs-have-one-front-door', 'apps/relay/src/planted-door.ts', `import '../../../libs/lane/src/lane.ts';`],
  ['outbox-relay-is-slim', 'apps/outbox-relay/src/planted-typeorm.ts', `import '#database/typeorm';`],
  [
    'outbox-relay-is-slim',
    'apps/outbox-relay/src/planted-type.ts',
    `import type { T } from '#database/typeorm'; export type { T };`,
  ],
  ['delivery-consumer-is-slim', 'apps/delivery-consumer/src/planted-ajv.ts', `import '#events/validate';`],
  ['testkit-is-for-tests', 'apps/relay/src/planted-testkit.ts', `import '#testkit';`],
  ['pure-npm', 'libs/lane/src/planted-npm.ts', `import 'undici';`],
  ['ajv-only-in-events', 'apps/relay/src/planted-ajv.ts', `import 'ajv';`],
  ['nest-only-in-apps', 'libs/database/src/planted-nest.ts', `import '@nestjs/core';`],
  [
    'postgresql-only-in-stores',
    'apps/relay/src/planted-pg.ts',
    `import type { Pool } from 'pg'; export type { Pool };`,
  ],
  ['kafkajs-only-in-kafka', 'apps/relay/src/planted-kafkajs.ts', `import 'kafkajs';`],
  [
    'registry-client-only-in-schema-registry',
    'libs/kafka/src/planted-registry.ts',
    `import '@kafkajs/confluent-schema-registry';`,
  ],
  ['undici-only-in-http-delivery', 'apps/relay/src/planted-undici.ts', `import 'undici';`],
  ['no-cycles', 'libs/lane/src/planted-cycle.ts', `import './planted-cycled.ts';`],
  ['resolvable', 'libs/lane/src/planted-missing.ts', `import './nowhere.ts';`],
  ['declared-npm-packages', 'apps/relay/src/planted-dev.ts', `import 'vitest';`],
];

interface Violation {
  rule: { name: string };
  from: string;
}

let workspace: string;
let violations: Violation[];

async function write(file: string, content: string): Promise<void> {
  const path = join(workspace, file);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

beforeAll(async () => {
  workspace = await mkdtemp(join(tmpdir(), 'waybill-layers-'));
  const named = (names: string[]) => Object.fromEntries(names.map((name) => [name, '1.0.0']));
  await write(
    'package.json',
    JSON.stringify({
      type: 'module',
      imports: Object.fromEntries(doors.map(([name, file]) => [name, { source: `./libs/${file}.ts` }])),
      dependencies: named(packages.dependencies),
      devDependencies: named(packages.devDependencies),
    }),
  );
  await write('tsconfig.json', await readFile(join(root, 'tsconfig.json'), 'utf8'));
  for (const name of Object.values(packages).flat()) {
    await write(`node_modules/${name}/package.json`, JSON.stringify({ name, version: '1.0.0', main: 'index.js' }));
    await write(`node_modules/${name}/index.js`, '');
  }
  for (const name of libs) await write(`libs/${name}/src/index.ts`, 'export {};');
  for (const [file, content] of Object.entries(allowed)) await write(file, content);
  for (const [, file, content] of planted) await write(file, content);
  await write('libs/lane/src/planted-cycled.ts', `import './planted-cycle.ts';`);
  const depcruise = join(root, 'node_modules/.bin/depcruise');
  const args = [depcruise, 'apps', 'libs', 'deploy', 'test', '--config', config, '--output-type', 'json'];
  // It ends with the number of violations as its code.
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: workspace, maxBuffer: 1e8 }).catch(
    (error: unknown) => error as { stdout: string },
  );
  violations = (JSON.parse(stdout) as { summary: { violations: Violation[] } }).summary.violations;
}, 60_000);

afterAll(() => rm(workspace, { recursive: true, force: true }));

describe('the layers', () => {
  it.each(planted)('%s objects to %s', (rule, file) => {
    expect(violations.filter(({ from }) => from === file).map((violation) => violation.rule.name)).toContain(rule);
  });

  it('have a planted violation for every rule', () => {
    expect([...new Set(planted.map(([rule]) => rule))].toSorted()).toEqual(rules.toSorted());
  });

  it('object to nothing that is allowed', () => {
    expect(violations.filter(({ from }) => from in allowed)).toEqual([]);
  });
});
