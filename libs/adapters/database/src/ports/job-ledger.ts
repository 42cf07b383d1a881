import type { StatementRunner } from '../statement-runner.ts';

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

/** `total` is null while nobody can tell; `unit` is a plural noun such as `layers`. */
export interface JobProgress {
  readonly done: number;
  readonly total: number | null;
  readonly unit: string;
}

/** A wish for work. `kind` chooses the handler, `key` says what it is about; both together make it unique. */
export interface JobRequest {
  readonly kind: string;
  readonly key: string;
  /** Anything that JSON can hold. */
  readonly payload: unknown;
  /** How often it is tried in all; 5 unless said. */
  readonly maxAttempts?: number;
  /** Earliest start, counted from now on the database's clock; 0 unless said. */
  readonly delaySeconds?: number;
}

export interface Job {
  readonly id: string;
  readonly kind: string;
  readonly key: string;
  readonly payload: unknown;
  readonly state: JobState;
  /** How often it was started. */
  readonly attempts: number;
  readonly maxAttempts: number;
  /** When a queued job is due. */
  readonly runAt: Date;
  readonly cancelRequested: boolean;
  readonly progress: JobProgress | null;
  /** Why the last attempt ended badly, or why it was cancelled. */
  readonly error: string | null;
  readonly createdAt: Date;
  readonly finishedAt: Date | null;
}

export interface JobFilter {
  readonly kind?: string;
  readonly key?: string;
  readonly states?: readonly JobState[];
}

export interface JobPage {
  readonly items: readonly Job[];
  /** `after` of the next page, null on the last. */
  readonly next: string | null;
}

/**
 * The ledger of all work: the truth about what is to be done, is being done and was done. A dispatcher runs what
 * stands in it.
 */
export abstract class JobLedger {
  /**
   * Writes jobs, all or none, and returns their ids in the order of the requests.
   *
   * While a job of the same kind and key is queued, no second one is made: the queued one takes the newer payload,
   * starts at the earlier of both times, has all its attempts again, and cannot start before the caller's
   * transaction ends. A running job is never joined, because its input may have changed since it started: a new
   * one is queued and starts when the running one has ended.
   *
   * @param within the transaction that causes the work; without it the call is its own transaction
   */
  abstract enqueue(requests: readonly JobRequest[], within?: StatementRunner): Promise<string[]>;

  abstract get(id: string): Promise<Job | null>;

  /** Newest first. `after` is the `next` of the page before; `limit` at most 500. */
  abstract list(filter: JobFilter, page: { limit: number; after?: string | null }): Promise<JobPage>;

  /**
   * Cancels a queued job at once and asks a running one to stop (its handler's signal aborts within seconds).
   * A finished job stays as it is. Returns the job after the request, null when there is none.
   */
  abstract requestCancellation(id: string): Promise<Job | null>;
}
