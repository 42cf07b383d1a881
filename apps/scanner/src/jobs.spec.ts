import { type JobContext, PermanentJobError } from '@sluice/jobs';
import {
  AdvisoryError,
  type AdvisoryRematcher,
  type AdvisoryUploads,
  type ArtifactScanner,
} from '@sluice/scanning';
import { describe, expect, it } from 'vitest';
import { scannerJobs } from './jobs.ts';

const CONTEXT: JobContext = {
  signal: new AbortController().signal,
  jobId: 'job',
  attempt: 1,
  progress: () => {},
};

const SUMMARY = { read: ['a', 'b'], known: ['c'] };

/** Handlers over collaborators that note what they are asked; `fails` is what an import throws. */
function handlers(fails?: Error): {
  calls: unknown[];
  run: (kind: string, payload: unknown) => Promise<void>;
} {
  const calls: unknown[] = [];
  const note = (name: string) => (request: unknown) => {
    calls.push([name, request]);
    if (name === 'import' && fails !== undefined) return Promise.reject(fails);
    return Promise.resolve(name === 'scan' ? SUMMARY : null);
  };
  const jobs = scannerJobs({
    scanner: { scan: note('scan') } as unknown as ArtifactScanner,
    rematcher: { rematch: () => note('rematch')(null) } as unknown as AdvisoryRematcher,
    uploads: { run: note('import'), discard: note('discard') } as unknown as AdvisoryUploads,
    onScanned: (digest, summary) => calls.push(['scanned', digest, summary]),
  });
  return { calls, run: async (kind, payload) => jobs[kind]?.(payload, CONTEXT) };
}

describe("the scanner's jobs", () => {
  const scan = { digest: 'sha256:x', manifestId: 'm', repositoryId: 'r' };
  const file = { objectKey: 'k', name: 'all.zip' };

  it('are scan.artifact, advisories.rematch and advisories.import', async () => {
    const { calls, run } = handlers();
    await run('scan.artifact', scan);
    await run('advisories.rematch', { revision: 3 });
    await run('advisories.import', file);
    expect(calls).toEqual([
      ['scan', scan],
      ['scanned', scan.digest, SUMMARY],
      ['rematch', null],
      ['import', file],
    ]);
  });

  it.each([null, 'text', {}, { ...scan, manifestId: 1 }])(
    'a payload like %j ends the job at once',
    async (payload) => {
      await expect(handlers().run('scan.artifact', payload)).rejects.toBeInstanceOf(PermanentJobError);
    },
  );

  it('a file that cannot be imported ends its job at once and is removed; other faults are tried again', async () => {
    const bad = handlers(new AdvisoryError('ADVISORY_FILE_INVALID', 'no archive'));
    await expect(bad.run('advisories.import', file)).rejects.toThrow(PermanentJobError);
    expect(bad.calls.at(-1)).toEqual(['discard', file]);
    const lost = handlers(new Error('no connection'));
    await expect(lost.run('advisories.import', file)).rejects.not.toBeInstanceOf(PermanentJobError);
    expect(lost.calls).toHaveLength(1);
  });
});
