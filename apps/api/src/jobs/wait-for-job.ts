import { setTimeout as delay } from 'node:timers/promises';
import type { Job, JobLedger } from '@sluice/database';

/** Jobs take seconds to minutes, so that looking now and then costs less than another channel of signals. */
const LOOK_EVERY_MS = 300;

/**
 * The job after it is over, or as it is when the wait is.
 *
 * @param signal ends the wait early, e.g. when the client has gone
 */
export async function waitForJob(
  ledger: JobLedger,
  id: string,
  waitMs: number,
  signal: AbortSignal,
): Promise<Job | null> {
  const deadline = Date.now() + waitMs;
  for (;;) {
    const job = await ledger.get(id);
    const leftMs = deadline - Date.now();
    if (job === null || job.finishedAt !== null || leftMs <= 0 || signal.aborted) return job;
    await delay(Math.min(LOOK_EVERY_MS, leftMs), undefined, { signal }).catch(() => undefined);
  }
}
