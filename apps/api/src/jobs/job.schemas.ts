import type { Job, JobState } from '@sluice/database';
import { z } from 'zod';
import { encodeId } from '../http/ids.ts';
import { pageParameters } from '../http/paging.ts';
import { commaList, searchWord, waitSeconds } from '../http/validation.ts';

const STATES = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
] as const satisfies readonly JobState[];
export const JOB_WAIT_MAX_SECONDS = 30;

export const listJobsQuery = z.strictObject({
  ...pageParameters,
  state: commaList(STATES).optional(),
  kind: searchWord(100).optional(),
});

export const jobQuery = z.strictObject({ wait: waitSeconds(JOB_WAIT_MAX_SECONDS) });

export interface JobView {
  readonly id: string;
  readonly kind: string;
  /** What it is about: a digest, a file. */
  readonly key: string;
  readonly state: JobState;
  readonly attempts: number;
  readonly maxAttempts: number;
  readonly runAt: string;
  readonly cancelRequested: boolean;
  readonly progress: Job['progress'];
  readonly error: string | null;
  readonly createdAt: string;
  readonly finishedAt: string | null;
}

/** The payload stays inside: it holds what workers need, not what a reader of the API can use. */
export function presentJob(job: Job): JobView {
  return {
    id: encodeId('job', job.id),
    kind: job.kind,
    key: job.key,
    state: job.state,
    attempts: job.attempts,
    maxAttempts: job.maxAttempts,
    runAt: job.runAt.toISOString(),
    cancelRequested: job.cancelRequested,
    progress: job.progress,
    error: job.error,
    createdAt: job.createdAt.toISOString(),
    finishedAt: job.finishedAt?.toISOString() ?? null,
  };
}
