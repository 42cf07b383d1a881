/**
 * `npm run test:storage`: blob storage in S3 against versitygw and Ceph RGW. The contract suite runs on both, then a
 * proxy between us and the store breaks connections, loses answers and lies. `node tools/system/storage.ts versitygw`
 * leaves Ceph out.
 */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { assert, assertEqual, Checklist } from './checklist.ts';
import { ROOT } from './paths.ts';
import { FaultProxy } from './s3-fault-proxy.ts';
import { type S3Server, startCephRgw, startVersityGw } from './s3-server.ts';
import { checkAdapterFaults } from './storage/adapter-faults.ts';
import { checkLies } from './storage/lies.ts';
import { checkPushes } from './storage/pushes.ts';

const SPECS = 'libs/adapters/blob-storage/src';

interface Report {
  readonly numPassedTests: number;
  readonly numPendingTests: number;
  readonly numFailedTests: number;
}

/** Runs the specs of blob storage with a real server, and fails when one of them was skipped. */
async function runSpecs(server: S3Server): Promise<string> {
  const file = join(tmpdir(), `sluice-storage-${process.pid}.json`);
  const vitest = [join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', SPECS];
  const child = spawn(process.execPath, [...vitest, '--reporter=json', `--outputFile=${file}`], {
    cwd: ROOT,
    env: {
      ...process.env,
      SLUICE_TEST_S3_URL: `s3://${server.bucket}?endpoint=${server.endpoint}`,
      SLUICE_TEST_S3_ACCESS_KEY: server.accessKey,
      SLUICE_TEST_S3_SECRET_KEY: server.secretKey,
    },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (exit) => resolve(exit ?? 1));
  });
  try {
    const report = JSON.parse(readFileSync(file, 'utf8')) as Report;
    assertEqual([code, report.numFailedTests, report.numPendingTests], [0, 0, 0], 'code, failed, skipped');
    assert(report.numPassedTests > 0, 'no test ran');
    return `${report.numPassedTests} tests`;
  } finally {
    rmSync(file, { force: true });
  }
}

const checklist = new Checklist('test:storage');
const starts = process.argv.includes('versitygw') ? [startVersityGw] : [startVersityGw, startCephRgw];
for (const start of starts) {
  const server = await start();
  const proxy = await FaultProxy.start(server.endpoint);
  try {
    await checklist.check(`${server.name}: the specs of blob storage, none skipped`, () => runSpecs(server));
    await checkAdapterFaults(checklist, server, proxy);
    if (start === startVersityGw) await checkLies(checklist, server, proxy);
    await checkPushes(checklist, server, proxy);
  } finally {
    await proxy.stop();
    await server.stop();
  }
}
checklist.finish();
