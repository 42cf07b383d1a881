import type { DispatchedJob, JobDispatch, JobQueue, Notifications } from '@sluice/database';
import {
  parseRedisPrefix,
  parseRedisUrl,
  type RedisArrival,
  RedisLink,
  type RedisPlace,
} from '@sluice/redis';
import { Dispatcher, type DispatcherOptions, type JobHandler } from '../dispatcher.ts';
import { JobRunner, type JobRunnerOptions } from '../running/job-runner.ts';
import { Rounds } from '../running/rounds.ts';
import { type JobRateLimit, Messages } from './messages.ts';
import { Pace } from './pace.ts';

export interface BullPorts {
  readonly queue: JobQueue;
  readonly dispatch: JobDispatch;
  readonly notifications: Notifications;
}

export interface BullDispatcherOptions extends JobRunnerOptions {
  /** The net under notifications and messages: how long work can stay unnoticed at worst. */
  readonly pollSeconds?: number;
  /** By kind; kinds without one start as fast as there are workers. */
  readonly rateLimits?: Readonly<Record<string, JobRateLimit>>;
  /** Told once an outage, and once when it is over. Jobs go on meanwhile, out of the ledger. */
  readonly onRedisLost?: (cause: Error) => void;
  readonly onRedisBack?: () => void;
}

/** How long a start waits for Redis before it goes on without. */
const START_PATIENCE_MS = 2_000;
/** Jobs that start later than this are sent when their time comes nearer. */
const HORIZON_SECONDS = 60;
/** After this time without having started, a due job is sent once more. */
const NOTE_SECONDS = 60;
const BATCH = 200;
/** With so many messages of a kind waiting in Redis no more are sent: the ledger keeps the rest. */
const WINDOW = 1_000;
/** How long nothing is sent after Redis refused something. */
const MISTRUST_MS = 2_000;
/** Every job that is queued or ends anywhere wakes every process; under load they look so often at most. */
const FEED_GAP_MS = 50;

/**
 * Runs jobs in many processes, told by Bull's messages on Redis that there is one to run. Which one it is, and that
 * nobody else has it, is decided by {@link JobQueue.claim} as in the local dispatcher: a message that is lost, late or
 * there twice changes nothing but the time. While Redis is away the ledger is asked directly.
 */
export class BullDispatcher extends Dispatcher {
  readonly #ports: BullPorts;
  readonly #redis: RedisPlace;
  readonly #options: BullDispatcherOptions;
  readonly #onError: (error: unknown) => void;
  readonly #pollMs: number;
  readonly #runner: JobRunner;
  readonly #pace: Pace;
  /** Sends messages for what the ledger holds. */
  readonly #feeds = new Rounds(() => this.#feed());
  /** Takes work out of the ledger without a message. */
  readonly #looks = new Rounds(() => this.#look());
  /** Kinds of which messages came after the last call for work here. */
  readonly #turnedAway = new Set<string>();
  /** Kinds of which the ledger held more than a batch. */
  readonly #crowded = new Set<string>();
  #link: RedisLink | null = null;
  #messages: Messages | null = null;
  #chance = Promise.withResolvers<void>();
  #state: 'new' | 'started' | 'stopped' = 'new';
  #isReceiving = false;
  #mistrustUntil = 0;
  #lastExpiry = 0;
  #lastFeed = -FEED_GAP_MS;
  #unsubscribe: () => Promise<void> = async () => undefined;

  /** @throws RedisSettingsError for a wrong URL or prefix; an unreachable Redis is no error */
  constructor(ports: BullPorts, redis: RedisPlace, options: BullDispatcherOptions = {}) {
    super();
    parseRedisUrl(redis.url);
    parseRedisPrefix(redis.prefix ?? 'sluice');
    this.#ports = ports;
    this.#redis = redis;
    this.#options = options;
    this.#onError = options.onError ?? (() => undefined);
    this.#pollMs = (options.pollSeconds ?? 15) * 1000;
    this.#runner = new JobRunner(ports.queue, options, () => this.#slotFreed());
    this.#pace = new Pace(options.rateLimits ?? {});
  }

  async start(
    handlers: Readonly<Record<string, JobHandler>>,
    options: DispatcherOptions = {},
  ): Promise<void> {
    if (this.#state !== 'new') throw new Error('a dispatcher starts once');
    this.#state = 'started';
    this.#runner.start(handlers, options);
    this.#link = new RedisLink(
      { ...this.#redis, purpose: 'jobs' },
      {
        onUp: (arrival) => void this.#redisUp(arrival),
        onDown: (cause) => this.#redisDown(cause),
      },
    );
    this.#messages = new Messages(this.#link, this.#onError);
    this.#unsubscribe = await this.#ports.notifications.subscribe('sluice_job', (payload) =>
      this.#notified(payload),
    );
    await this.#link.untilUp(START_PATIENCE_MS);
    this.#feeds.open();
    this.#looks.open();
    this.#wake();
    this.#looks.askIn(this.#pollMs);
  }

  async stop(options: { graceMs?: number } = {}): Promise<void> {
    const wasStarted = this.#state === 'started';
    this.#state = 'stopped';
    if (!wasStarted) return;
    this.#messages?.pause();
    await this.#unsubscribe();
    await Promise.all([this.#feeds.close(), this.#looks.close()]);
    this.#slotFreed();
    await this.#runner.drain(options.graceMs);
    await this.#messages?.close();
    this.#link?.close();
    // Messages that came too late here are gone: their jobs need others.
    if (this.#turnedAway.size > 0) {
      await this.#ports.dispatch.takeBack([...this.#turnedAway]).catch(this.#onError);
    }
  }

  /** Whether jobs start by messages now. */
  get #viaRedis(): boolean {
    return this.#link?.isUp === true && performance.now() >= this.#mistrustUntil;
  }

  async #redisUp({ isReturn, isEmpty }: RedisArrival): Promise<void> {
    if (this.#state !== 'started') return;
    if (isReturn) this.#options.onRedisBack?.();
    if (!this.#isReceiving) {
      this.#isReceiving = true;
      const rateLimits = this.#options.rateLimits ?? {};
      this.#messages?.receive(this.#runner.limits, rateLimits, (kind) => this.#delivered(kind));
    }
    try {
      // What was on its way may be lost. An empty Redis was noticed by this process alone, so it acts for all.
      if (isEmpty) await this.#ports.dispatch.takeBack(null);
      else if (isReturn) await this.#ports.dispatch.takeBack([...this.#runner.limits.keys()]);
    } catch (error) {
      this.#onError(error);
    }
    this.#feeds.ask();
  }

  #redisDown(cause: Error): void {
    this.#options.onRedisLost?.(cause);
    this.#looks.ask();
  }

  #notified(payload: string | null): void {
    if (payload?.startsWith('cancel:')) this.#runner.cancellationAsked(payload.slice('cancel:'.length));
    else if (payload === null || this.#runner.limits.has(payload)) this.#wake();
  }

  #wake(): void {
    if (!this.#viaRedis) this.#looks.ask();
    else this.#feeds.askIn(this.#lastFeed + FEED_GAP_MS - performance.now());
  }

  #slotFreed(): void {
    this.#chance.resolve();
    this.#chance = Promise.withResolvers();
    this.#wake();
  }

  /** A message has come: runs the oldest due job of its kind, if there still is one. */
  async #delivered(kind: string): Promise<void> {
    while (this.#state === 'started') {
      if (!this.#runner.freeSlots().has(kind)) {
        await this.#chance.promise;
        continue;
      }
      const [started] = await this.#runner.take(new Map([[kind, 1]]));
      return started === undefined ? this.#messageWithoutJob(kind) : started.end;
    }
    this.#turnedAway.add(kind);
  }

  /** Usually another worker was faster. But clocks differ, and a job may be locked by who queues it again. */
  async #messageWithoutJob(kind: string): Promise<void> {
    const seconds = await this.#ports.queue.secondsToNextDue([kind]);
    if (seconds !== null) this.#looks.askIn(Math.max(seconds * 1000 + 5, 50));
  }

  async #feed(): Promise<void> {
    this.#lastFeed = performance.now();
    // Redis itself tells when it is back; after a refusal nobody does.
    let waitMs = this.#link?.isUp === true && !this.#viaRedis ? MISTRUST_MS : this.#pollMs;
    try {
      await this.#expire();
      if (this.#viaRedis) {
        if (await this.#sendBatch()) return this.#feeds.ask();
        if (this.#crowded.size > 0) waitMs = 1000;
      }
    } catch (error) {
      this.#onError(error);
      waitMs = 1000;
    }
    this.#feeds.askIn(waitMs);
  }

  /** Returns whether there is more to send at once. */
  async #sendBatch(): Promise<boolean> {
    const messages = this.#messages as Messages;
    const limits = new Map<string, number>();
    for (const kind of this.#runner.limits.keys()) {
      const isFull = this.#crowded.has(kind) && (await messages.waiting(kind)) >= WINDOW;
      if (!isFull) limits.set(kind, BATCH);
    }
    const jobs = await this.#ports.dispatch.take(limits, HORIZON_SECONDS, NOTE_SECONDS);
    await this.#send(messages, jobs);
    const counts = Map.groupBy(jobs, (job) => job.kind);
    let isMore = false;
    for (const kind of limits.keys()) {
      const hasMore = (counts.get(kind)?.length ?? 0) >= BATCH;
      if (hasMore) this.#crowded.add(kind);
      else this.#crowded.delete(kind);
      isMore ||= hasMore;
    }
    return isMore;
  }

  async #send(messages: Messages, jobs: readonly DispatchedJob[]): Promise<void> {
    try {
      await messages.send(jobs);
    } catch (error) {
      this.#mistrustUntil = performance.now() + MISTRUST_MS;
      this.#looks.ask();
      await this.#ports.dispatch.takeBack([...new Set(jobs.map((job) => job.kind))]);
      void this.#link?.check();
      throw error;
    }
  }

  async #expire(): Promise<void> {
    if (performance.now() - this.#lastExpiry < this.#pollMs && this.#lastExpiry > 0) return;
    this.#lastExpiry = performance.now();
    await this.#ports.dispatch.expire();
  }

  async #look(): Promise<void> {
    const viaRedis = this.#viaRedis;
    let waitMs = this.#pollMs;
    try {
      const started = await this.#runner.take(this.#slotsToFill(viaRedis));
      for (const { kind } of started) this.#pace.started(kind, performance.now());
      if (!viaRedis) {
        if (started.length > 0 || this.#looks.isAsked) return this.#looks.ask();
        const seconds = await this.#ports.queue.secondsToNextDue([...this.#slotsToFill(false).keys()]);
        if (seconds !== null) waitMs = Math.min(waitMs, seconds * 1000 + 5);
        // Kinds at their limit come again, and so does Redis.
        waitMs = Math.min(waitMs, 1000);
      }
    } catch (error) {
      this.#onError(error);
      waitMs = 1000;
    }
    this.#looks.askIn(waitMs);
  }

  /** What a look may start: limits of the rate are Redis's affair while it can be used. */
  #slotsToFill(viaRedis: boolean): Map<string, number> {
    const slots = this.#runner.freeSlots();
    for (const [kind, free] of slots) {
      const room = viaRedis && this.#pace.isLimited(kind) ? 0 : this.#pace.room(kind, performance.now());
      if (room === 0) slots.delete(kind);
      else slots.set(kind, Math.min(free, room));
    }
    return slots;
  }
}
