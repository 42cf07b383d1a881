import { setTimeout as delay } from 'node:timers/promises';
import { CliError } from '../cli-error.ts';
import { EXIT } from '../exit-codes.ts';
import type { ApiClient } from './client.ts';
import type { Job } from './types.ts';

/** Long enough to spare requests, short enough that progress moves. */
const POLL_SECONDS = 2;
/** A restart of the server does not end the wait for work that the ledger keeps. */
const OUTAGE_TOLERANCE_MS = 60_000;

/** Waits until a job is over and shows how far it is. */
export async function waitForJob(api: ApiClient, id: string, onChange: (job: Job) => void): Promise<Job> {
  for (;;) {
    const job = await throughOutages(() =>
      api.get<Job>(`/jobs/${id}`, { query: { wait: POLL_SECONDS }, waitSeconds: POLL_SECONDS }),
    );
    onChange(job);
    if (job.state !== 'queued' && job.state !== 'running') return job;
  }
}

/** Repeats a reading request while the server cannot be reached, for a minute at most. */
export async function throughOutages<Result>(
  request: () => Promise<Result>,
  toleranceMs = OUTAGE_TOLERANCE_MS,
): Promise<Result> {
  const startedAt = Date.now();
  for (;;) {
    try {
      return await request();
    } catch (error) {
      const isOutage = error instanceof CliError && error.exitCode === EXIT.unreachable;
      if (!isOutage || Date.now() - startedAt > toleranceMs) throw error;
      await delay(Math.min(1000, toleranceMs));
    }
  }
}

/** `3 of 12 files`, `1,204 records`, or the state while nothing is known. */
export function describeProgress(job: Job): string {
  if (job.progress === null) return job.state;
  const { done, total, unit } = job.progress;
  const number = new Intl.NumberFormat('en');
  return total === null
    ? `${number.format(done)} ${unit}`
    : `${number.format(done)} of ${number.format(total)} ${unit}`;
}
