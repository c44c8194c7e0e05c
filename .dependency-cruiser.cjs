// Which folder may know which: imports point one way, and only one folder knows each outside technology.
const layers = {
  pure: 'events|signing|lane|clock',
  platform: 'config|telemetry|worker|failpoint',
  adapters: 'database|kafka|schema-registry|http-delivery',
  stores: 'outbox|endpoints|deliveries|audit',
};

/** What stands beside the code: tests, generators and test support may reach further. */
const beside = '([.]spec[.]ts$|/generate[.]ts$|^libs/[^/]+/test/|^libs/testkit/|^apps/[^/]+/src/simulation/)';
const lib = (names) => `^libs/(${names})/`;
/** What only some processes need, and what loads much: `#name/door` beside `#name`. */
const secondDoors = '^libs/(database/src/typeorm|endpoints/src/admin|audit/src/admin|events/src/validate)[.]ts$';
const npm = (names) => `(^|/)node_modules/(${names})/`;

/** `from` may import, of our own folders, only itself and `allowed`. */
const layer = (name, allowed) => ({
  name: `layer-${name}`,
  comment: `${name} libraries may import ${allowed.join(', ') || 'nothing of ours'} only`,
  severity: 'error',
  from: { path: lib(layers[name]), pathNot: beside },
  to: {
    path: '^(apps|libs|deploy|test)/',
    // A library's own files are its own business: $1 is its name.
    pathNot: ['^libs/$1/', ...allowed.map((other) => (other in layers ? lib(layers[other]) : lib(other)))],
  },
});

/** Only `from` may import the npm packages `names`; tests and the local stack may too where they say so. */
const onlyIn = (name, packages, pathNot) => ({
  name,
  severity: 'error',
  from: { path: '^(apps|libs|deploy|test)/', pathNot },
  to: { path: npm(packages) },
});

/**
 * Nothing that the process loads may lead to `packages`, not even a type. What it loads and never uses is heap that V8
 * marks again and again, and memory: TypeORM 6 MB and 11 MB, undici 3 MB of either, registry client and Ajv 3 MB.
 */
const slim = (app, packages) => ({
  name: `${app}-is-slim`,
  severity: 'error',
  from: { path: `^apps/${app}/`, pathNot: [beside, '/testing[.]ts$'] },
  to: { path: npm(packages), reachable: true },
});

module.exports = {
  forbidden: [
    layer('pure', ['pure']),
    layer('platform', ['clock']),
    layer('adapters', ['platform', 'pure']),
    layer('stores', ['adapters', 'platform', 'pure']),
    {
      name: 'apps-are-entered-by-nobody',
      comment: 'an app is a process: nobody imports it, not even another app',
      severity: 'error',
      from: { path: '^(?:libs|deploy|apps/([^/]+))/' },
      to: { path: '^apps/', pathNot: '^apps/$1/' },
    },
    {
      name: 'libs-have-one-front-door',
      comment: 'import #name: what index.ts, or the second door of four, does not export is the library’s own',
      severity: 'error',
      from: { path: '^(?:apps|deploy|test|libs/([^/]+))/' },
      to: { path: '^libs/[^/]+/', pathNot: ['^libs/[^/]+/src/index[.]ts$', secondDoors, '^libs/$1/'] },
    },
    slim('outbox-relay', 'typeorm|undici'),
    slim('delivery-consumer', 'typeorm|@kafkajs/confluent-schema-registry|ajv|ajv-formats'),
    {
      name: 'testkit-is-for-tests',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: [beside, '^apps/[^/]+/src/testing[.]ts$'] },
      to: { path: '^libs/testkit/' },
    },
    {
      name: 'pure-npm',
      comment: 'no I/O and no framework: Zod, and in events Ajv with its formats',
      severity: 'error',
      from: { path: lib(layers.pure), pathNot: beside },
      to: { path: '(^|/)node_modules/', pathNot: npm('zod|ajv|ajv-formats') },
    },
    {
      name: 'ajv-only-in-events',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: ['^libs/events/', beside] },
      to: { path: npm('ajv|ajv-formats') },
    },
    onlyIn('nest-only-in-apps', '@nestjs/[^/]+', ['^apps/']),
    onlyIn('postgresql-only-in-stores', 'pg|typeorm', [
      lib(`database|${layers.stores}`),
      beside,
      '^(deploy/local|test)/',
      // A sample domain service with its own tables: it shows what a user's service does.
      '^apps/onboarding-demo/',
    ]),
    // The test kit's own test asks the broker with the bare client.
    onlyIn('kafkajs-only-in-kafka', 'kafkajs', ['^libs/(kafka|testkit)/']),
    onlyIn('registry-client-only-in-schema-registry', '@kafkajs/confluent-schema-registry', ['^libs/schema-registry/']),
    onlyIn('undici-only-in-http-delivery', 'undici', ['^libs/http-delivery/', '^test/bench/']),
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      comment: 'an import that resolves to nothing is checked by no rule above',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'declared-npm-packages',
      comment: 'a package of ours is named in package.json; what runs in production is no devDependency',
      severity: 'error',
      from: { path: '^(apps|libs)/', pathNot: beside },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'undetermined'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)(dist|[.]stack)/' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['source', 'import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
};
