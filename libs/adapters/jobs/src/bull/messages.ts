import type { DispatchedJob } from '@sluice/database';
import type { RedisLink } from '@sluice/redis';
import Bull from 'bull';

/** At most `max` jobs of a kind start within `seconds`, in all processes together. */
export interface JobRateLimit {
  readonly max: number;
  readonly seconds: number;
}

/** Stalled messages are harmless: their job is claimed through the ledger or not at all. */
const STALLED_MAX = 1_000_000;
const CLOSE_PATIENCE_MS = 1_500;

/**
 * One Bull queue a kind. A message says "there is a job of this kind to run" and holds nothing; its id is that of the
 * job with its planned start, so that a job that is sent twice makes one message.
 */
export class Messages {
  readonly #link: RedisLink;
  readonly #queues = new Map<string, Bull.Queue>();
  readonly #onError: (error: unknown) => void;
  #subscriber: ReturnType<RedisLink['connect']> | null = null;

  constructor(link: RedisLink, onError: (error: unknown) => void) {
    this.#link = link;
    this.#onError = onError;
    link.commands.setMaxListeners(0);
  }

  /**
   * Begins to deliver. `deliver` resolves when the message is done with; until then it takes one of the kind's places.
   */
  receive(
    limits: ReadonlyMap<string, number>,
    rateLimits: Readonly<Record<string, JobRateLimit>>,
    deliver: (kind: string) => Promise<void>,
  ): void {
    for (const [kind, concurrency] of limits) {
      const queue = this.#create(kind, rateLimits[kind]);
      this.#queues.set(kind, queue);
      queue.process(concurrency, () => deliver(kind)).catch(this.#onError);
    }
  }

  /** @throws when Redis did not take every message; some may have arrived */
  async send(jobs: readonly DispatchedJob[]): Promise<void> {
    const byKind = Map.groupBy(jobs, (job) => job.kind);
    await Promise.all(
      [...byKind].map(async ([kind, ofKind]) => {
        const sent = await this.#queueOf(kind).addBulk(
          ofKind.map((job) => ({
            data: {},
            opts: { jobId: `${job.id}.${job.startMicros}`, delay: Math.ceil(job.delaySeconds * 1000) },
          })),
        );
        // Bull answers without an id for what Redis refused within the transaction.
        if (sent.some(({ id }) => !id)) throw new Error(`Redis refused messages for jobs of kind ${kind}`);
      }),
    );
  }

  /** Messages that wait for a place in some worker. */
  async waiting(kind: string): Promise<number> {
    return this.#queueOf(kind).getWaitingCount();
  }

  /** Lets no other message in. Does not wait for Redis. */
  pause(): void {
    for (const queue of this.#queues.values()) queue.pause(true, true).catch(() => undefined);
  }

  /** Waits a moment for Redis to hear what is done with, and no longer. */
  async close(): Promise<void> {
    const closed = Promise.all([...this.#queues.values()].map((queue) => queue.close(true)));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, CLOSE_PATIENCE_MS)));
    await Promise.race([closed.catch(() => undefined), late]);
    clearTimeout(timer);
  }

  #queueOf(kind: string): Bull.Queue {
    const queue = this.#queues.get(kind);
    if (queue === undefined) throw new Error(`no queue was opened for jobs of kind ${kind}`);
    return queue;
  }

  #create(kind: string, rateLimit: JobRateLimit | undefined): Bull.Queue {
    const options: Bull.QueueOptions & { skipVersionCheck: boolean } = {
      prefix: this.#link.prefix,
      createClient: (type) => this.#client(type),
      skipVersionCheck: true,
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
      settings: {
        maxStalledCount: STALLED_MAX,
        stalledInterval: 15_000,
        guardInterval: 1_000,
        retryProcessDelay: 500,
      },
      ...(rateLimit === undefined
        ? {}
        : { limiter: { max: rateLimit.max, duration: rateLimit.seconds * 1000 } }),
    };
    const queue = new Bull(kind, options);
    // The link finds out that Redis is away and tells once; Bull would tell at every attempt.
    queue.on('error', () => undefined);
    return queue;
  }

  #client(type: 'client' | 'subscriber' | 'bclient'): ReturnType<RedisLink['connect']> {
    switch (type) {
      case 'client':
        return this.#link.commands;
      case 'subscriber':
        return (this.#subscriber ??= this.#link.connect());
      case 'bclient':
        return this.#link.connect();
    }
  }
}
