/** `npm test`: prepares the clone, then runs every check that needs nothing but npm packages. Stops at the first that fails. */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { prepare, projectNode } from './prepare.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const bin = (...path) => join(root, 'node_modules', ...path);

/** @type {{ name: string, args: string[] }[]} */
const CHECKS = [
  { name: 'boundaries', args: [join(root, 'tools', 'boundaries', 'check.ts')] },
  { name: 'types of specs and tools', args: [bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.spec.json'] },
  { name: 'lint', args: [bin('oxlint', 'bin', 'oxlint'), '--type-aware', '--deny-warnings'] },
  { name: 'format', args: [bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level=warn', '.'] },
  { name: 'tests', args: [bin('vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)] },
];

prepare();
const startedAt = Date.now();
for (const { name, args } of CHECKS) {
  console.error(`sluice: ${name}`);
  const { status } = spawnSync(projectNode, args, { cwd: root, stdio: 'inherit' });
  if (status !== 0) {
    console.error(`npm test: ${name} failed`);
    process.exit(1);
  }
}
console.log(`npm test: ${CHECKS.length} checks passed in ${Math.round((Date.now() - startedAt) / 1_000)} s`);
