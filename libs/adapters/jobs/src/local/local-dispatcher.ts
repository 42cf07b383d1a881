import type { JobQueue, Notifications } from '@sluice/database';
import { Dispatcher, type DispatcherOptions, type JobHandler } from '../dispatcher.ts';
import { JobRunner, type JobRunnerOptions } from '../running/job-runner.ts';
import { Rounds } from '../running/rounds.ts';

export interface LocalDispatcherOptions extends JobRunnerOptions {
  /** The net under the notifications: how long new work can stay unnoticed at worst. */
  readonly pollSeconds?: number;
}

/** Every job that is queued anywhere wakes every process that runs its kind; under load they look so often at most. */
const NOTIFIED_GAP_MS = 20;
/** Under load there is a look with every job; it asks for the time of the next one so often at most. */
const DUE_GAP_MS = 100;

/** Runs jobs in this process, woken by NOTIFY, with `FOR UPDATE SKIP LOCKED` behind {@link JobQueue.claim}. */
export class LocalDispatcher extends Dispatcher {
  readonly #queue: JobQueue;
  readonly #notifications: Notifications;
  readonly #pollSeconds: number;
  readonly #onError: (error: unknown) => void;
  readonly #runner: JobRunner;
  readonly #looks = new Rounds(() => this.#look());
  #unsubscribe: () => Promise<void> = async () => undefined;
  #state: 'new' | 'started' | 'stopped' = 'new';
  #lastLook = -Infinity;
  #lastAskedForDue = -Infinity;

  constructor(queue: JobQueue, notifications: Notifications, options: LocalDispatcherOptions = {}) {
    super();
    this.#queue = queue;
    this.#notifications = notifications;
    this.#pollSeconds = options.pollSeconds ?? 15;
    this.#onError = options.onError ?? (() => undefined);
    this.#runner = new JobRunner(queue, options, () => this.#looks.ask());
  }

  async start(
    handlers: Readonly<Record<string, JobHandler>>,
    options: DispatcherOptions = {},
  ): Promise<void> {
    if (this.#state !== 'new') throw new Error('a dispatcher starts once');
    this.#state = 'started';
    this.#runner.start(handlers, options);
    this.#unsubscribe = await this.#notifications.subscribe('sluice_job', (payload) =>
      this.#notified(payload),
    );
    this.#looks.open();
    this.#looks.ask();
  }

  async stop(options: { graceMs?: number } = {}): Promise<void> {
    const wasStarted = this.#state === 'started';
    this.#state = 'stopped';
    if (!wasStarted) return;
    await this.#unsubscribe();
    await this.#looks.close();
    await this.#runner.drain(options.graceMs);
  }

  #notified(payload: string | null): void {
    if (payload?.startsWith('cancel:')) this.#runner.cancellationAsked(payload.slice('cancel:'.length));
    else if (payload === null || this.#runner.limits.has(payload)) {
      this.#looks.askIn(this.#lastLook + NOTIFIED_GAP_MS - performance.now());
    }
  }

  /** Takes what is due. What does not fit is looked for when a job ends, what comes later when it is due. */
  async #look(): Promise<void> {
    let waitMs = this.#pollSeconds * 1000;
    this.#lastLook = performance.now();
    try {
      await this.#runner.take(this.#runner.freeSlots());
      if (this.#looks.isAsked) return this.#looks.ask();
      waitMs = Math.min(waitMs, await this.#msToNextDue());
    } catch (error) {
      this.#onError(error);
      waitMs = 1000;
    }
    this.#looks.askIn(waitMs);
  }

  /** When to look again for work that nobody tells of, because it was queued for later. */
  async #msToNextDue(): Promise<number> {
    const sinceAsked = performance.now() - this.#lastAskedForDue;
    if (sinceAsked < DUE_GAP_MS) return DUE_GAP_MS - sinceAsked;
    this.#lastAskedForDue = performance.now();
    const seconds = await this.#queue.secondsToNextDue([...this.#runner.freeSlots().keys()]);
    // 0 when one became due since the claim.
    return seconds === null ? Infinity : seconds * 1000 + 5;
  }
}
