import type { JobContext } from '@sluice/jobs';
import { describe, expect, it } from 'vitest';
import { verdictJobs } from './verdict-jobs.ts';
import { EVALUATE_JOB, SWEEP_JOB, type Verdicts } from './verdicts.ts';

const ID = '0190b3c4-0000-7000-8000-000000000000';

describe('the jobs of the gate', () => {
  const done: unknown[] = [];
  const verdicts = {
    evaluateArtifact: async (id: string) => void done.push(id),
    sweep: async (scope: unknown) => void done.push(scope),
  } as unknown as Verdicts;
  const jobs = verdictJobs(verdicts);
  const context: JobContext = {
    signal: new AbortController().signal,
    jobId: ID,
    attempt: 1,
    progress: () => undefined,
  };

  it('do what their payload says', async () => {
    await jobs[EVALUATE_JOB]?.({ manifestId: ID }, context);
    await jobs[SWEEP_JOB]?.({ kind: 'node', nodeId: ID }, context);
    expect(done).toEqual([ID, { kind: 'node', nodeId: ID }]);
  });

  it.each([
    [EVALUATE_JOB, {}],
    [EVALUATE_JOB, null],
    [EVALUATE_JOB, { manifestId: `'; DROP TABLE verdict` }],
    [SWEEP_JOB, { kind: 'everything' }],
    [SWEEP_JOB, { kind: 'node' }],
  ])('give up at once on a malformed payload: %s %j', async (kind, payload) => {
    await expect(jobs[kind]?.(payload, context)).rejects.toMatchObject({ name: 'PermanentJobError' });
  });
});
