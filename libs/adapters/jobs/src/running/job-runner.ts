import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AttemptOutcome, ClaimedJob, JobQueue } from '@sluice/database';
import { type BackOff, DEFAULT_BACK_OFF } from '../back-off.ts';
import type { DispatcherOptions, JobHandler } from '../dispatcher.ts';
import { Attempt } from './attempt.ts';

export interface JobRunnerOptions {
  /** How long a job stays with a worker that is not heard of. Heartbeats come three times in that. */
  readonly leaseSeconds?: number;
  readonly backOff?: BackOff;
  /** Finished jobs are forgotten after this time. */
  readonly keepFinishedSeconds?: number;
  /** Told of faults of the database; the runner goes on by itself. */
  readonly onError?: (error: unknown) => void;
}

export interface StartedJob {
  readonly kind: string;
  /** Resolves when the ledger knows the outcome, or nobody can tell it any more. Never rejects. */
  readonly end: Promise<void>;
}

const DEFAULT_GRACE_MS = 30_000;
const PRUNE_INTERVAL_MS = 600_000;
/** What a handler gets to notice its aborted signal before the process stops waiting for it. */
const ABORT_PATIENCE_MS = 5_000;

/**
 * The part of every dispatcher that holds jobs: takes them out of the ledger, runs them, keeps their leases alive and
 * writes down how they ended. When to take one is the dispatcher's own affair.
 */
export class JobRunner {
  readonly #queue: JobQueue;
  readonly #leaseSeconds: number;
  readonly #keepFinishedSeconds: number;
  readonly #backOff: BackOff;
  readonly #onError: (error: unknown) => void;
  readonly #onChance: () => void;
  readonly #worker = randomUUID();
  /** Attempts under way, with the promise that settles when the ledger knows their outcome. */
  readonly #running = new Map<Attempt, Promise<void>>();
  /** Slots that a look into the ledger may fill at this moment. */
  readonly #reserved = new Map<string, number>();
  #handlers: Readonly<Record<string, JobHandler>> = {};
  #limits = new Map<string, number>();
  #heartbeat: NodeJS.Timeout | null = null;
  #lastHeartbeat = 0;
  #lastPrune = 0;

  /**
   * @param onChance called when there may be something to start: a job has ended, so that its slot is free and another of
   * its key may run, or stalled jobs were given back. Look for work then, as nobody else may be told of it.
   */
  constructor(queue: JobQueue, options: JobRunnerOptions, onChance: () => void) {
    this.#queue = queue;
    this.#leaseSeconds = options.leaseSeconds ?? 30;
    this.#keepFinishedSeconds = options.keepFinishedSeconds ?? 7 * 86_400;
    this.#backOff = options.backOff ?? DEFAULT_BACK_OFF;
    this.#onError = options.onError ?? (() => undefined);
    this.#onChance = onChance;
  }

  /** How many jobs of each kind run at once at most. */
  get limits(): ReadonlyMap<string, number> {
    return this.#limits;
  }

  start(handlers: Readonly<Record<string, JobHandler>>, options: DispatcherOptions): void {
    this.#handlers = handlers;
    for (const kind of Object.keys(handlers)) {
      this.#limits.set(kind, options.concurrency?.[kind] ?? options.defaultConcurrency ?? 1);
    }
    this.#lastHeartbeat = performance.now();
    this.#heartbeat = setInterval(() => void this.#beat(), (this.#leaseSeconds * 1000) / 3);
  }

  /** Kinds with the number of jobs that could start now; kinds without any are left out. */
  freeSlots(): Map<string, number> {
    const slots = new Map(this.#limits);
    for (const { job } of this.#running.keys()) slots.set(job.kind, (slots.get(job.kind) ?? 0) - 1);
    for (const [kind, count] of this.#reserved) slots.set(kind, (slots.get(kind) ?? 0) - count);
    for (const [kind, free] of slots) if (free <= 0) slots.delete(kind);
    return slots;
  }

  /**
   * Takes due jobs out of the ledger and starts them. `slots` are free ones; nobody else gets them meanwhile. Returns
   * what was started.
   */
  async take(slots: ReadonlyMap<string, number>): Promise<StartedJob[]> {
    this.#reserve(slots, 1);
    try {
      const claimed = await this.#queue.claim(this.#worker, slots, this.#leaseSeconds);
      return claimed.map((job) => ({ kind: job.kind, end: this.#run(job) }));
    } finally {
      this.#reserve(slots, -1);
    }
  }

  /** Somebody asked for the end of a job: looks at once whether it runs here. */
  cancellationAsked(jobId: string): void {
    if ([...this.#running.keys()].some((attempt) => attempt.job.id === jobId)) void this.#beat();
  }

  /**
   * Waits for what runs. After `graceMs` it aborts the handlers' signals and gives their jobs back to the ledger
   * without counting the attempt.
   */
  async drain(graceMs = DEFAULT_GRACE_MS): Promise<void> {
    if (!(await this.#settled(graceMs))) {
      for (const attempt of this.#running.keys()) attempt.abort('draining');
      if (!(await this.#settled(ABORT_PATIENCE_MS))) await this.#abandon();
    }
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
  }

  #reserve(slots: ReadonlyMap<string, number>, sign: 1 | -1): void {
    for (const [kind, count] of slots) {
      const reserved = (this.#reserved.get(kind) ?? 0) + sign * count;
      if (reserved === 0) this.#reserved.delete(kind);
      else this.#reserved.set(kind, reserved);
    }
  }

  #run(job: ClaimedJob): Promise<void> {
    const attempt = new Attempt(job);
    const handler = this.#handlers[job.kind] as JobHandler;
    const progress = setInterval(() => void this.#saveProgress(attempt), 500);
    const done = attempt
      .run(handler, this.#backOff)
      .then(async (outcome) => {
        clearInterval(progress);
        await this.#finish(attempt, outcome);
      })
      .finally(() => {
        this.#running.delete(attempt);
        this.#onChance();
      });
    this.#running.set(attempt, done);
    return done;
  }

  async #saveProgress(attempt: Attempt): Promise<void> {
    const progress = attempt.takeProgress();
    if (progress === null) return;
    await this.#queue.saveProgress(this.#worker, attempt.job.id, progress).catch(this.#onError);
  }

  /** Tells the ledger until it has understood, or until the lease is over and the job somebody else's. */
  async #finish(attempt: Attempt, outcome: AttemptOutcome): Promise<void> {
    const deadline = performance.now() + this.#leaseSeconds * 1000;
    const progress = attempt.takeProgress();
    for (;;) {
      try {
        await this.#queue.finish(this.#worker, attempt.job.id, outcome, progress);
        return;
      } catch (error) {
        this.#onError(error);
        if (performance.now() > deadline) return;
        await sleep(500);
      }
    }
  }

  async #beat(): Promise<void> {
    const attempts = [...this.#running.keys()];
    try {
      if (attempts.length > 0) {
        const ids = attempts.map((attempt) => attempt.job.id);
        const { held, cancelRequested } = await this.#inTime(
          this.#queue.heartbeat(this.#worker, ids, this.#leaseSeconds),
        );
        for (const attempt of attempts) {
          if (!held.has(attempt.job.id)) attempt.abort('lost');
          else if (cancelRequested.has(attempt.job.id)) attempt.abort('cancelled');
        }
      }
      this.#lastHeartbeat = performance.now();
      if ((await this.#queue.recoverStalled()) > 0) this.#onChance();
      await this.#prune();
    } catch (error) {
      this.#onError(error);
      // By now another worker may have the jobs: two must not run at once for longer than it takes to stop.
      if (performance.now() - this.#lastHeartbeat > this.#leaseSeconds * 1000) {
        for (const attempt of attempts) attempt.abort('lost');
      }
    }
  }

  /** A database behind a broken network does not refuse, it is silent: after a lease nobody knows who has the jobs. */
  async #inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error('the database does not answer the heartbeat of running jobs')),
      this.#leaseSeconds * 1000,
    );
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #prune(): Promise<void> {
    if (performance.now() - this.#lastPrune < PRUNE_INTERVAL_MS && this.#lastPrune > 0) return;
    this.#lastPrune = performance.now();
    await this.#queue.prune(this.#keepFinishedSeconds);
  }

  async #settled(withinMs: number): Promise<boolean> {
    const abort = new AbortController();
    const all = Promise.all(this.#running.values()).then(() => true);
    const late = sleep(withinMs, false, { signal: abort.signal, ref: true }).catch(() => false);
    try {
      return await Promise.race([all, late]);
    } finally {
      abort.abort();
    }
  }

  /** Gives back what handlers that ignore their signal still hold. */
  async #abandon(): Promise<void> {
    for (const attempt of this.#running.keys()) {
      await this.#queue.finish(this.#worker, attempt.job.id, { kind: 'released' }).catch(this.#onError);
    }
  }
}
