/**
 * `npm run test:conformance`: the conformance suites of the distribution specification, the classic one (v1.1.1) and that
 * of its main branch (for 1.1, and for dev with sparse manifests), built from their Go modules. Each runs with Bearer
 * tokens against one process on the filesystem, and against two replicas on S3 behind a proxy that sends every request to
 * the next one. Anything that has not passed is an error, skips included.
 *
 * `npm run test:conformance -- fs` runs against one process only, `-- s3` against the replicas only.
 */
import { join } from 'node:path';
import { Cluster } from '../system/cluster.ts';
import { installTools } from '../system/install.ts';
import { Platform } from '../system/platform.ts';
import { CLASSIC_BINARY, runClassic } from './classic.ts';
import { CURRENT_BINARY, runCurrent, VERSIONS } from './current.ts';
import { shortfalls, type SuiteResult } from './results.ts';
import { renderTable } from './table.ts';
import { prepareTarget, type Target } from './target.ts';

const directory = await installTools([
  CLASSIC_BINARY,
  CURRENT_BINARY,
  'versitygw',
  'redis-server',
  'postgresql-15',
]);

async function runSuites(target: Target): Promise<SuiteResult[]> {
  await prepareTarget(target);
  const results = [await runClassic(join(directory, CLASSIC_BINARY), target)];
  for (const version of VERSIONS) {
    results.push(await runCurrent(join(directory, CURRENT_BINARY), target, version));
  }
  return results;
}

async function onOneProcess(): Promise<SuiteResult[]> {
  const platform = await Platform.start();
  try {
    const { url, host } = platform;
    return await runSuites({ title: 'fs, 1 process', url, host, api: platform.api.bind(platform) });
  } finally {
    await platform.remove();
  }
}

async function onReplicas(): Promise<SuiteResult[]> {
  const cluster = await Cluster.start({ registries: 2, storage: 's3' });
  try {
    const { url, host } = cluster;
    return await runSuites({ title: 's3, 2 replicas', url, host, api: cluster.api.bind(cluster) });
  } finally {
    await cluster.remove();
  }
}

const TARGETS: Readonly<Record<string, () => Promise<SuiteResult[]>>> = {
  fs: onOneProcess,
  s3: onReplicas,
};
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !Object.hasOwn(TARGETS, name));
if (unknown.length > 0) {
  throw new Error(`there is no target ${unknown.join(', ')}: choose of ${Object.keys(TARGETS).join(', ')}`);
}

const results: SuiteResult[] = [];
for (const [name, run] of Object.entries(TARGETS)) {
  if (chosen.length === 0 || chosen.includes(name)) results.push(...(await run()));
}

console.log(renderTable(results));
let missed = 0;
for (const result of results) {
  for (const { kind, name, state } of shortfalls(result)) {
    missed += 1;
    console.log(
      `${state === 'fail' ? 'FAIL' : 'SKIP'}  ${result.suite} on ${result.target}: ${kind} ${name}`,
    );
  }
  if (shortfalls(result).length > 0 && result.output !== '') console.log(result.output);
}
const excused = new Map(results.flatMap((result) => [...result.excused]));
for (const [name, reason] of excused) console.log(`excused: ${name} (${reason})`);
const entries = results.flatMap((result) => result.entries);
const passed = entries.filter(({ state }) => state === 'pass').length;
if (missed > 0 || passed === 0) process.exitCode = 1;
console.log(
  `test:conformance: ${results.length} runs, ${passed} of ${entries.length} entries passed, ${missed} fell short, ` +
    `${entries.length - passed - missed} excluded by their twin`,
);
