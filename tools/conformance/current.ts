import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ADMIN_PASSWORD } from '../system/platform.ts';
import { attempt } from '../system/run.ts';
import { readTestCases } from './junit.ts';
import { type Entry, parseResults, type SuiteResult } from './results.ts';
import { PROJECT, type Target } from './target.ts';

export const CURRENT_BINARY = 'conformance';

export type CurrentVersion = '1.1' | 'dev';
export const VERSIONS: readonly CurrentVersion[] = ['1.1', 'dev'];

/** What 1.1 leaves to choice is asked for as well, so that nothing of the suite is left out of either run. */
const EVERYTHING = {
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_MANIFESTS_TAG_PARAM: 'true',
  OCI_DATA_SPARSE: 'true',
};

/** Runs the suite of the distribution specification's main branch, with Bearer tokens. */
export async function runCurrent(
  binary: string,
  target: Target,
  version: CurrentVersion,
): Promise<SuiteResult> {
  const reports = mkdtempSync(join(tmpdir(), 'sluice-conformance-'));
  try {
    const outcome = await attempt(binary, [], {
      cwd: reports,
      timeoutSeconds: 900,
      env: {
        PATH: process.env['PATH'],
        OCI_REGISTRY: target.host,
        OCI_TLS: 'disabled',
        OCI_REPO1: `${PROJECT}/main-${version.replace('.', '-')}`,
        OCI_REPO2: `${PROJECT}/main-${version.replace('.', '-')}-second`,
        OCI_USERNAME: 'admin',
        OCI_PASSWORD: ADMIN_PASSWORD,
        OCI_VERSION: version,
        OCI_RESULTS_DIR: reports,
        ...EVERYTHING,
      },
    });
    // A suite that could not read its configuration ends with 0 and without a report.
    const report = (name: string): string => readFileSync(join(reports, name), 'utf8');
    const tests = readTestCases(report('junit.xml'), 'OCI Conformance Test/').map(
      ({ name, state }): Entry => ({
        kind: 'test',
        name,
        state: state === 'passed' ? 'pass' : state === 'skipped' ? 'skip' : 'fail',
      }),
    );
    return {
      suite: `main, ${version}`,
      target: target.title,
      entries: [...parseResults(report('results.yaml')), ...tests],
      excused: new Map(),
      output: outcome.code === 0 ? '' : `${outcome.stdout.slice(-2_000)}\n${outcome.stderr.slice(-6_000)}`,
    };
  } finally {
    rmSync(reports, { recursive: true, force: true });
  }
}
