import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AttemptOutcome, ClaimedJob, JobQueue, Notifications } from '@sluice/database';
import { type BackOff, DEFAULT_BACK_OFF } from '../back-off.ts';
import { Dispatcher, type DispatcherOptions, type JobHandler } from '../dispatcher.ts';
import { Attempt } from './attempt.ts';

export interface LocalDispatcherOptions {
  /** How long a job stays with a worker that is not heard of. Heartbeats come three times in that. */
  readonly leaseSeconds?: number;
  /** The net under the notifications: how long new work can stay unnoticed at worst. */
  readonly pollSeconds?: number;
  readonly backOff?: BackOff;
  /** Finished jobs are forgotten after this time. */
  readonly keepFinishedSeconds?: number;
  /** Told of faults of the database; the dispatcher goes on by itself. */
  readonly onError?: (error: unknown) => void;
}

const DEFAULT_GRACE_MS = 30_000;
const PRUNE_INTERVAL_MS = 600_000;
/** What a handler gets to notice its aborted signal before the process stops waiting for it. */
const ABORT_PATIENCE_MS = 5_000;

/** Runs jobs in this process, woken by NOTIFY, with `FOR UPDATE SKIP LOCKED` behind {@link JobQueue.claim}. */
export class LocalDispatcher extends Dispatcher {
  readonly #queue: JobQueue;
  readonly #notifications: Notifications;
  readonly #leaseSeconds: number;
  readonly #pollSeconds: number;
  readonly #keepFinishedSeconds: number;
  readonly #backOff: BackOff;
  readonly #onError: (error: unknown) => void;
  readonly #worker = randomUUID();
  /** Attempts under way, with the promise that settles when the ledger knows their outcome. */
  readonly #running = new Map<Attempt, Promise<void>>();
  #handlers: Readonly<Record<string, JobHandler>> = {};
  #limits = new Map<string, number>();
  #unsubscribe: () => Promise<void> = async () => undefined;
  #state: 'new' | 'started' | 'stopped' = 'new';
  #round: Promise<void> | null = null;
  #again = false;
  #wakeUp: NodeJS.Timeout | null = null;
  #heartbeat: NodeJS.Timeout | null = null;
  #lastHeartbeat = 0;
  #lastPrune = 0;

  constructor(queue: JobQueue, notifications: Notifications, options: LocalDispatcherOptions = {}) {
    super();
    this.#queue = queue;
    this.#notifications = notifications;
    this.#leaseSeconds = options.leaseSeconds ?? 30;
    this.#pollSeconds = options.pollSeconds ?? 15;
    this.#keepFinishedSeconds = options.keepFinishedSeconds ?? 7 * 86_400;
    this.#backOff = options.backOff ?? DEFAULT_BACK_OFF;
    this.#onError = options.onError ?? (() => undefined);
  }

  async start(
    handlers: Readonly<Record<string, JobHandler>>,
    options: DispatcherOptions = {},
  ): Promise<void> {
    if (this.#state !== 'new') throw new Error('a dispatcher starts once');
    this.#state = 'started';
    this.#handlers = handlers;
    for (const kind of Object.keys(handlers)) {
      this.#limits.set(kind, options.concurrency?.[kind] ?? options.defaultConcurrency ?? 1);
    }
    this.#unsubscribe = await this.#notifications.subscribe('sluice_job', (payload) =>
      this.#notified(payload),
    );
    this.#lastHeartbeat = performance.now();
    this.#heartbeat = setInterval(() => void this.#beat(), (this.#leaseSeconds * 1000) / 3);
    this.#wake();
  }

  async stop(options: { graceMs?: number } = {}): Promise<void> {
    if (this.#state !== 'started') {
      this.#state = 'stopped';
      return;
    }
    this.#state = 'stopped';
    if (this.#wakeUp !== null) clearTimeout(this.#wakeUp);
    await this.#unsubscribe();
    await this.#round;
    if (!(await this.#settled(options.graceMs ?? DEFAULT_GRACE_MS))) {
      for (const attempt of this.#running.keys()) attempt.abort('draining');
      if (!(await this.#settled(ABORT_PATIENCE_MS))) await this.#abandon();
    }
    if (this.#heartbeat !== null) clearInterval(this.#heartbeat);
  }

  #notified(payload: string | null): void {
    if (payload?.startsWith('cancel:')) {
      const id = payload.slice('cancel:'.length);
      if ([...this.#running.keys()].some((attempt) => attempt.job.id === id)) void this.#beat();
    } else if (payload === null || this.#limits.has(payload)) {
      this.#wake();
    }
  }

  /** Looks for work now, or once more after the look that is under way: that one may have been too early. */
  #wake(): void {
    if (this.#state !== 'started') return;
    this.#again = true;
    this.#round ??= this.#look().finally(() => {
      this.#round = null;
      if (this.#again) this.#wake();
    });
  }

  async #look(): Promise<void> {
    if (this.#wakeUp !== null) clearTimeout(this.#wakeUp);
    let waitMs = this.#pollSeconds * 1000;
    try {
      while (this.#again && this.#state === 'started') {
        this.#again = false;
        const claimed = await this.#queue.claim(this.#worker, this.#freeSlots(), this.#leaseSeconds);
        for (const job of claimed) this.#run(job);
        if (claimed.length > 0) this.#again = true;
      }
      const free = [...this.#freeSlots().keys()];
      const seconds = await this.#queue.secondsToNextDue(free);
      // 0 when one became due since the claim.
      if (seconds !== null) waitMs = Math.min(waitMs, seconds * 1000 + 5);
    } catch (error) {
      this.#onError(error);
      waitMs = 1000;
    }
    if (this.#state === 'started') this.#wakeUp = setTimeout(() => this.#wake(), waitMs);
  }

  #freeSlots(): Map<string, number> {
    const slots = new Map(this.#limits);
    for (const { job } of this.#running.keys()) slots.set(job.kind, (slots.get(job.kind) ?? 0) - 1);
    for (const [kind, free] of slots) if (free <= 0) slots.delete(kind);
    return slots;
  }

  #run(job: ClaimedJob): void {
    const attempt = new Attempt(job);
    const handler = this.#handlers[job.kind] as JobHandler;
    const progress = setInterval(() => void this.#saveProgress(attempt), 500);
    const done = attempt
      .run(handler, this.#backOff)
      .then(async (outcome) => {
        clearInterval(progress);
        await this.#saveProgress(attempt);
        await this.#finish(attempt, outcome);
      })
      .finally(() => {
        this.#running.delete(attempt);
        this.#wake();
      });
    this.#running.set(attempt, done);
  }

  async #saveProgress(attempt: Attempt): Promise<void> {
    const progress = attempt.takeProgress();
    if (progress === null) return;
    await this.#queue.saveProgress(this.#worker, attempt.job.id, progress).catch(this.#onError);
  }

  /** Tells the ledger until it has understood, or until the lease is over and the job somebody else's. */
  async #finish(attempt: Attempt, outcome: AttemptOutcome): Promise<void> {
    const deadline = performance.now() + this.#leaseSeconds * 1000;
    for (;;) {
      try {
        await this.#queue.finish(this.#worker, attempt.job.id, outcome);
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
        const { held, cancelRequested } = await this.#queue.heartbeat(this.#worker, ids, this.#leaseSeconds);
        for (const attempt of attempts) {
          if (!held.has(attempt.job.id)) attempt.abort('lost');
          else if (cancelRequested.has(attempt.job.id)) attempt.abort('cancelled');
        }
      }
      this.#lastHeartbeat = performance.now();
      if ((await this.#queue.recoverStalled()) > 0) this.#wake();
      await this.#prune();
    } catch (error) {
      this.#onError(error);
      // By now another worker may have the jobs: two must not run at once for longer than it takes to stop.
      if (performance.now() - this.#lastHeartbeat > this.#leaseSeconds * 1000) {
        for (const attempt of attempts) attempt.abort('lost');
      }
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
