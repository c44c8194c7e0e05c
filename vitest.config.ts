// Three projects: unit (nothing outside the process), integration (real PostgreSQL and Kafka), e2e (built processes).
import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

const conditions = ['source', ...defaultServerConditions];
const base = { resolve: { conditions }, ssr: { resolve: { conditions } } };
const stack = { globalSetup: ['libs/testkit/src/global-setup.ts'], testTimeout: 60_000, hookTimeout: 60_000 };

export default defineConfig({
  test: {
    projects: [
      {
        ...base,
        test: {
          name: 'unit',
          environment: 'node',
          include: ['{apps,libs,deploy,test}/**/*.spec.ts'],
          exclude: ['**/*.int.spec.ts', '**/*.e2e.spec.ts', '**/node_modules/**'],
        },
      },
      {
        ...base,
        test: { name: 'integration', environment: 'node', include: ['{apps,libs}/**/*.int.spec.ts'], ...stack },
      },
      {
        ...base,
        test: {
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.e2e.spec.ts'],
          ...stack,
          testTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
