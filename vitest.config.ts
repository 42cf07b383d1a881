import { defineConfig } from 'vitest/config';

const conditions = ['@sluice/source', 'node'];
const shared = {
  resolve: { conditions },
  // External packages keep Node's own conditions: with Vite's, a `require` inside them may resolve to an ES module.
  ssr: { resolve: { conditions, externalConditions: ['node'] } },
  // Set here because files outside the nearest tsconfig `include` (the specs) would otherwise not be lowered.
  oxc: { decorator: { legacy: true, emitDecoratorMetadata: true } },
};

/** `*.spec.ts` needs nothing but the process; `*.int.spec.ts` needs the embedded PostgreSQL or a listening server. */
export default defineConfig({
  test: {
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: ['{libs,apps,tools}/**/*.spec.ts'],
          exclude: ['**/*.int.spec.ts', '**/node_modules/**', '**/dist/**'],
          pool: 'threads',
          isolate: false,
          testTimeout: 20_000,
        },
      },
      {
        ...shared,
        test: {
          name: 'integration',
          include: ['{libs,apps,tools}/**/*.int.spec.ts'],
          exclude: ['**/node_modules/**', '**/dist/**'],
          pool: 'forks',
          maxWorkers: 2,
          // Vitest wants groups with their own number of workers to say when they run.
          sequence: { groupOrder: 1 },
          globalSetup: ['libs/adapters/database/src/testing/global-setup.ts'],
          testTimeout: 30_000,
          hookTimeout: 60_000,
          expect: { poll: { timeout: 15_000 } },
        },
      },
    ],
  },
});
