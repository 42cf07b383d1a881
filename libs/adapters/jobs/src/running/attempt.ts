import type { AttemptOutcome, ClaimedJob, JobProgress } from '@sluice/database';
import { type BackOff, backOffSeconds } from '../back-off.ts';
import { type JobHandler, PermanentJobError } from '../dispatcher.ts';

export type AbortCause = 'cancelled' | 'draining' | 'lost';

/** The reason of an aborted job signal. */
export class JobAborted extends Error {
  override readonly name = 'JobAborted';
  readonly why: AbortCause;

  constructor(why: AbortCause) {
    super(
      { cancelled: 'the job was cancelled', draining: 'the worker shuts down', lost: 'the lease was lost' }[
        why
      ],
    );
    this.why = why;
  }
}

/** One run of a handler, from claim to outcome. */
export class Attempt {
  readonly job: ClaimedJob;
  readonly #abort = new AbortController();
  #progress: JobProgress | null = null;

  constructor(job: ClaimedJob) {
    this.job = job;
  }

  /** Only the first cause counts. */
  abort(why: AbortCause): void {
    if (!this.#abort.signal.aborted) this.#abort.abort(new JobAborted(why));
  }

  /** The newest progress that nobody took yet. */
  takeProgress(): JobProgress | null {
    const progress = this.#progress;
    this.#progress = null;
    return progress;
  }

  /** Never rejects. */
  async run(handler: JobHandler, backOff: BackOff): Promise<AttemptOutcome> {
    try {
      await handler(this.job.payload, {
        signal: this.#abort.signal,
        jobId: this.job.id,
        attempt: this.job.attempt,
        progress: (done, total, unit) => {
          this.#progress = { done, total, unit };
        },
      });
      return { kind: 'succeeded' };
    } catch (error) {
      return this.#judge(error, backOff);
    }
  }

  #judge(error: unknown, backOff: BackOff): AttemptOutcome {
    const message = describeError(error);
    const reason: unknown = this.#abort.signal.reason;
    if (reason instanceof JobAborted && reason.why === 'cancelled')
      return { kind: 'cancelled', error: message };
    if (reason instanceof JobAborted) return { kind: 'released' };
    if (error instanceof PermanentJobError) return { kind: 'failed', error: message };
    if (this.job.attempt >= this.job.maxAttempts) return { kind: 'failed', error: message };
    return {
      kind: 'retry',
      error: message,
      delaySeconds: backOffSeconds(this.job.attempt, backOff, Math.random()),
    };
  }
}

/** A handler may throw anything, also things whose own toString throws. */
export function describeError(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return 'an error that cannot be shown';
  }
}
