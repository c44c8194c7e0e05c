// Four projects: unit (nothing outside the process), integration (real PostgreSQL and Kafka), e2e (built processes), chaos (their faults).
import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

const conditions = ['source', ...defaultServerConditions];
const base = { resolve: { conditions }, ssr: { resolve: { conditions } } };
// Against hanging, not for speed: some hundred random runs take two seconds, and fifteen on a machine that is busy.
const patient = { testTimeout: 60_000, hookTimeout: 60_000 };
const stack = { globalSetup: ['libs/testkit/src/global-setup.ts'], ...patient };

export default defineConfig({
  test: {
    projects: [
      {
        ...base,
        test: {
          name: 'unit',
          environment: 'node',
          include: ['{apps,libs,deploy,test}/**/*.spec.ts'],
          exclude: ['**/*.{int,e2e,chaos,sim}.spec.ts', '**/node_modules/**'],
          ...patient,
        },
      },
      {
        ...base,
        test: {
          name: 'simulation',
          environment: 'node',
          include: ['test/**/*.sim.spec.ts'],
          testTimeout: 900_000,
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
      {
        ...base,
        test: {
          name: 'chaos',
          environment: 'node',
          include: ['test/chaos/**/*.chaos.spec.ts'],
          ...stack,
          testTimeout: 180_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
