/** What a handler knows of the job that it runs. */
export interface JobContext {
  /**
   * Aborts when somebody cancelled the job, when the process drains for too long, or when another worker took the
   * job over. The handler then stops soon, by throwing; what it had done must be safe to do again.
   */
  readonly signal: AbortSignal;
  readonly jobId: string;
  /** 1 on the first try. */
  readonly attempt: number;
  /** Cheap; the ledger gets the newest value about twice a second. `total` is null while nobody can tell. */
  readonly progress: (done: number, total: number | null, unit: string) => void;
}

/**
 * Does the work of one kind of job. It runs at least once for a job, perhaps more often (a worker may die after the
 * work and before the ledger knows), so it must be idempotent. It parses the payload itself.
 *
 * Throwing means that the attempt failed: it is tried again with growing delays until the attempts are used up.
 * A {@link PermanentJobError} ends the job at once.
 */
export type JobHandler = (payload: unknown, context: JobContext) => Promise<void>;

/** Thrown by a handler when trying again cannot help: a malformed payload, a thing that no longer exists. */
export class PermanentJobError extends Error {
  override readonly name = 'PermanentJobError';
}

export interface DispatcherOptions {
  /** How many jobs of a kind run at once in this process. */
  readonly concurrency?: Readonly<Record<string, number>>;
  /** For kinds that `concurrency` does not name; 1 unless said. */
  readonly defaultConcurrency?: number;
}

/**
 * Runs what stands in the ledger.
 *
 * Promises: jobs of one kind start oldest first; two jobs of one kind and key never run at once, in whatever
 * processes; a failed attempt is tried again with exponential delays and jitter up to the job's attempts; a job
 * whose worker died is given to another; a handler cannot stop the dispatcher by anything that it throws; kinds
 * without a handler stay queued. Losing the database for a while delays work and loses none.
 */
export abstract class Dispatcher {
  /** Starts to run jobs of the given kinds. Resolves when new work will be noticed. Once per dispatcher. */
  abstract start(handlers: Readonly<Record<string, JobHandler>>, options?: DispatcherOptions): Promise<void>;

  /**
   * Starts nothing new and waits for what runs. After `graceMs` it aborts the handlers' signals and gives their
   * jobs back to the ledger without counting the attempt.
   */
  abstract stop(options?: { graceMs?: number }): Promise<void>;
}
