/** `npm run test:system`: installs the outside programs, then runs every system test in turn and prints one table. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { installTools } from './install.ts';
import { ROOT } from './paths.ts';

const SUITES: readonly {
  readonly name: string;
  readonly script: string;
  readonly args?: readonly string[];
}[] = [
  { name: 'test:conformance', script: 'tools/conformance/run.ts' },
  { name: 'test:clients', script: 'tools/system/clients.ts' },
  { name: 'test:distributed', script: 'tools/system/distributed.ts' },
  { name: 'test:signing', script: 'tools/system/signing.ts' },
  { name: 'test:gate', script: 'tools/system/gate.ts' },
  { name: 'test:hostile', script: 'tools/system/hostile.ts' },
  { name: 'test:scan', script: 'tools/system/scan.ts' },
  { name: 'test:vectors', script: 'tools/vectors/run.ts' },
  { name: 'test:storage', script: 'tools/system/storage.ts' },
  { name: 'test:faults', script: 'tools/system/faults.ts', args: ['--short'] },
  { name: 'test:encryption', script: 'tools/system/encryption.ts', args: ['--short'] },
  { name: 'test:access', script: 'tools/system/access.ts' },
  { name: 'test:jobs', script: 'tools/system/jobs.ts' },
  { name: 'demo', script: 'tools/demo/run.ts' },
];

function runSuite(script: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(ROOT, script), ...args], { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

await installTools();
const results: string[] = [];
let failed = 0;
for (const { name, script, args = [] } of SUITES) {
  console.log(`\n=== ${name}`);
  const startedAt = Date.now();
  const code = await runSuite(script, args);
  if (code !== 0) failed++;
  results.push(`${code === 0 ? 'ok  ' : 'FAIL'} ${name} ${Math.round((Date.now() - startedAt) / 1_000)} s`);
}
console.log(`\n${results.join('\n')}`);
console.log(`test:system: ${SUITES.length - failed} of ${SUITES.length} suites passed`);
process.exitCode = failed === 0 ? 0 : 1;
