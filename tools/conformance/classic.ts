import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, buildLayer } from '@sluice/testing';
import { pushBlob, pushManifest, type PushTarget } from '../lib/oci-push.ts';
import { ADMIN_PASSWORD, basic } from '../system/platform.ts';
import { attempt } from '../system/run.ts';
import { joinRuns, parseJunit, type SpecResult } from './junit.ts';
import type { SuiteResult } from './results.ts';
import { PROJECT, type Target } from './target.ts';

export const CLASSIC_BINARY = 'conformance-1.1.1.test';

/** Specs that demand the opposite of what another spec, which passes, demands. */
const EXCLUSIVE = new Map([
  [
    'Push Cross-Repository Blob Mount Cross-mounting without from, and automatic content discovery disabled should return a 202',
    'exclusive with its twin "automatic content discovery enabled", which passes',
  ],
]);

const EVERYTHING = {
  OCI_TEST_PULL: '1',
  OCI_TEST_PUSH: '1',
  OCI_TEST_CONTENT_DISCOVERY: '1',
  OCI_TEST_CONTENT_MANAGEMENT: '1',
  OCI_AUTOMATIC_CROSSMOUNT: '1',
};

interface Run {
  readonly title: string;
  readonly namespace: string;
  readonly environment: Record<string, string>;
  /** Only specs whose title matches. */
  readonly focus?: string;
}

/**
 * Runs the classic suite (v1.1.1). Some of its specs exclude each other in one run (what is pushed by the suite or there
 * before, a mount that succeeds or is declined), so it runs several times, and every spec must pass in at least one run
 * and fail in none.
 */
export async function runClassic(binary: string, target: Target): Promise<SuiteResult> {
  const prepared = await preparedContent({
    url: target.url,
    repository: `${PROJECT}/prepared`,
    authorization: basic('admin', ADMIN_PASSWORD),
  });
  const runs: readonly Run[] = [
    { title: 'every workflow', namespace: 'all', environment: EVERYTHING },
    {
      title: 'a mount of what is not there',
      namespace: 'declined',
      environment: { OCI_TEST_PUSH: '1' },
      focus: 'mount another repository|Cross-mounting of nonexistent blob',
    },
    {
      title: 'pulling what is there',
      namespace: 'prepared',
      environment: { ...prepared, OCI_TEST_PULL: '1' },
      focus: 'Get tag name from environment|Pull blobs|Pull manifests',
    },
    {
      title: 'listing what is there',
      namespace: 'prepared',
      environment: { ...prepared, OCI_TEST_CONTENT_DISCOVERY: '1' },
      focus: 'no push|listing tags',
    },
  ];
  const results: SpecResult[][] = [];
  let output = '';
  for (const run of runs) {
    const { specs, said } = await runSuite(binary, target, run);
    results.push(specs);
    output += said;
  }
  const state = { passed: 'pass', skipped: 'skip', failed: 'fail' } as const;
  return {
    suite: 'classic, 1.1.1',
    target: target.title,
    entries: [...joinRuns(results)].map(([name, spec]) => ({ kind: 'test', name, state: state[spec] })),
    excused: EXCLUSIVE,
    output,
  };
}

async function runSuite(
  binary: string,
  target: Target,
  run: Run,
): Promise<{ specs: SpecResult[]; said: string }> {
  const reports = mkdtempSync(join(tmpdir(), 'sluice-conformance-'));
  try {
    const outcome = await attempt(binary, run.focus === undefined ? [] : [`--ginkgo.focus=${run.focus}`], {
      cwd: reports,
      timeoutSeconds: 600,
      env: {
        PATH: process.env['PATH'],
        OCI_ROOT_URL: target.url,
        OCI_NAMESPACE: `${PROJECT}/${run.namespace}`,
        OCI_CROSSMOUNT_NAMESPACE: `${PROJECT}/${run.namespace}-mounted`,
        OCI_USERNAME: 'admin',
        OCI_PASSWORD: ADMIN_PASSWORD,
        OCI_DELETE_MANIFEST_BEFORE_BLOBS: '1',
        OCI_REPORT_DIR: reports,
        ...run.environment,
      },
    });
    return {
      specs: parseJunit(readFileSync(join(reports, 'junit.xml'), 'utf8')),
      said: outcome.code === 0 ? '' : `${run.title}:\n${outcome.stdout.slice(-6_000)}\n`,
    };
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
}

/** Content that the suite finds instead of pushing it. */
async function preparedContent(target: PushTarget): Promise<Record<string, string>> {
  const image = buildImage([await buildLayer([{ path: 'hello', content: 'hello' }])]);
  for (const blob of [...image.layers, image.config]) await pushBlob(target, blob);
  const tags = ['one', 'two', 'three', 'four'];
  for (const tag of tags) await pushManifest(target, image.manifest, tag);
  return {
    OCI_TAG_NAME: tags[0] ?? '',
    OCI_MANIFEST_DIGEST: image.manifest.digest,
    OCI_BLOB_DIGEST: image.config.digest,
    OCI_TAG_LIST: tags.join(','),
  };
}
