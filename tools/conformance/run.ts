/**
 * `npm run test:conformance`: the classic conformance suite of the distribution specification (v1.1.1), built from its
 * Go module, against the running platform. 0 failed and 0 skipped, or it ends with an error.
 *
 * Some of its specs exclude each other in one run (what is pushed by the suite or there before, a mount that succeeds or
 * is declined), so the suite runs several times, and every spec must pass in at least one run and fail in none.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage, buildLayer } from '@sluice/testing';
import { pushBlob, pushManifest, type PushTarget } from '../lib/oci-push.ts';
import { installTools } from '../system/install.ts';
import { ADMIN_PASSWORD, basic, Platform } from '../system/platform.ts';
import { attempt } from '../system/run.ts';
import { joinRuns, parseJunit, type SpecResult } from './junit.ts';

const BINARY = 'conformance-1.1.1.test';

/** Specs that demand the opposite of what another spec, which passes, demands. */
const NOT_APPLICABLE = new Map([
  [
    'Push Cross-Repository Blob Mount Cross-mounting without from, and automatic content discovery disabled should return a 202',
    'Sluice discovers content for a mount without "from"; the spec for that passes',
  ],
]);

/** Blobs are pulled before any manifest names them and manifests before they are judged, so no policy may ask for more. */
const OPEN_GATE =
  'apiVersion: sluice.dev/v1\nkind: Policy\nmetadata: {name: default}\nspec: {mode: "off", rules: [{name: scanned, kind: scan}]}\n';

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

async function runSuite(binary: string, platform: Platform, run: Run): Promise<SpecResult[]> {
  const reports = mkdtempSync(join(tmpdir(), 'sluice-conformance-'));
  try {
    const outcome = await attempt(binary, run.focus === undefined ? [] : [`--ginkgo.focus=${run.focus}`], {
      cwd: reports,
      timeoutSeconds: 600,
      env: {
        PATH: process.env['PATH'],
        OCI_ROOT_URL: platform.url,
        OCI_NAMESPACE: `conformance/${run.namespace}`,
        OCI_CROSSMOUNT_NAMESPACE: `conformance/${run.namespace}-mounted`,
        OCI_USERNAME: 'admin',
        OCI_PASSWORD: ADMIN_PASSWORD,
        OCI_DELETE_MANIFEST_BEFORE_BLOBS: '1',
        OCI_REPORT_DIR: reports,
        ...run.environment,
      },
    });
    const results = parseJunit(readFileSync(join(reports, 'junit.xml'), 'utf8'));
    const count = (state: string): number => results.filter((result) => result.state === state).length;
    console.log(
      `${run.title}: ${count('passed')} passed, ${count('failed')} failed, ${count('skipped')} not run`,
    );
    if (outcome.code !== 0) console.log(outcome.stdout.slice(-6_000));
    return results;
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

const binary = join(await installTools([BINARY]), BINARY);
const platform = await Platform.start();
try {
  await platform.api('PUT', '/policies', { node: null, document: OPEN_GATE });
  await platform.api('POST', '/projects', { path: 'conformance', visibility: 'private' }, { expect: 201 });
  const prepared = await preparedContent({
    url: platform.url,
    repository: 'conformance/prepared',
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
  for (const run of runs) results.push(await runSuite(binary, platform, run));

  const joined = joinRuns(results);
  const total = joined.size;
  const excluded = [...NOT_APPLICABLE].filter(([name]) => joined.get(name) === 'skipped');
  for (const [name, reason] of excluded) {
    joined.delete(name);
    console.log(`not applicable: ${name} (${reason})`);
  }
  const inState = (state: string): string[] =>
    [...joined].filter(([, s]) => s === state).map(([name]) => name);
  const [passed, failed, skipped] = [inState('passed'), inState('failed'), inState('skipped')];
  for (const name of failed) console.log(`FAIL  ${name}`);
  for (const name of skipped) console.log(`SKIP  ${name}`);
  if (failed.length > 0 || skipped.length > 0 || passed.length === 0) process.exitCode = 1;
  console.log(
    `test:conformance: ${passed.length} of ${total} specs of distribution-spec v1.1.1 passed, ${failed.length} failed, ` +
      `${skipped.length} skipped, ${excluded.length} not applicable`,
  );
} finally {
  await platform.remove();
}
