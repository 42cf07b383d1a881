import type { JobProgress } from './job-ledger.ts';

/** A job that a worker holds until its lease ends. */
export interface ClaimedJob {
  readonly id: string;
  readonly kind: string;
  readonly key: string;
  readonly payload: unknown;
  /** 1 on the first try. */
  readonly attempt: number;
  readonly maxAttempts: number;
}

/** How one attempt ended. `released` gives the job back as if it had never been started. */
export type AttemptOutcome =
  | { readonly kind: 'succeeded' }
  | { readonly kind: 'failed'; readonly error: string }
  | { readonly kind: 'cancelled'; readonly error: string | null }
  | { readonly kind: 'retry'; readonly error: string; readonly delaySeconds: number }
  | { readonly kind: 'released' };

export interface Heartbeat {
  /** The asked jobs that this worker still holds. */
  readonly held: ReadonlySet<string>;
  /** Those of `held` that somebody wants stopped. */
  readonly cancelRequested: ReadonlySet<string>;
}

/**
 * The ledger as a worker sees it. All times are the database's, so that clocks of workers need not agree.
 *
 * Every call names the worker; what it no longer holds (its lease ended and another took over) it cannot change.
 */
export abstract class JobQueue {
  /**
   * Takes due jobs, oldest first, at most `slots.get(kind)` of each kind. Never one whose kind and key are running
   * anywhere, and never one that two workers would get.
   */
  abstract claim(
    worker: string,
    slots: ReadonlyMap<string, number>,
    leaseSeconds: number,
  ): Promise<ClaimedJob[]>;

  /** Prolongs the leases of running jobs. */
  abstract heartbeat(worker: string, ids: readonly string[], leaseSeconds: number): Promise<Heartbeat>;

  abstract saveProgress(worker: string, id: string, progress: JobProgress): Promise<void>;

  /**
   * Ends an attempt. A retry or release gives way when a job of its kind and key was queued meanwhile: that one
   * does the work. Returns false when the worker did not hold the job any more; nothing is changed then.
   *
   * Others are told when the job waits again, or another one of its key does, unless that one is queued at this very
   * moment: the caller must look for more work afterwards.
   *
   * @param progress the last one, null when there was none since the last that was saved
   */
  abstract finish(
    worker: string,
    id: string,
    outcome: AttemptOutcome,
    progress?: JobProgress | null,
  ): Promise<boolean>;

  /** Gives jobs back whose lease has ended, or fails them after their last attempt. Returns how many. */
  abstract recoverStalled(): Promise<number>;

  /**
   * Ends all leases at once, so that {@link recoverStalled} gives every running job back. Only for a process that
   * knows to be the only worker, such as one that has just started on a database of its own.
   */
  abstract endLeases(): Promise<void>;

  /**
   * Seconds until the next queued job of these kinds can be claimed, 0 when one can, null when there is none. One whose
   * kind and key are running is left out: the end of that run is what it waits for.
   */
  abstract secondsToNextDue(kinds: readonly string[]): Promise<number | null>;

  /** Forgets jobs that finished longer ago. Returns how many. */
  abstract prune(finishedForSeconds: number): Promise<number>;
}
