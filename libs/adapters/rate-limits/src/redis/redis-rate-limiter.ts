import { RedisLink, type RedisPlace } from '@sluice/redis';
import type { Bucket, Buckets } from '../memory/buckets.ts';
import { MemoryRateLimiter } from '../memory/memory-rate-limiter.ts';
import type { RateLimits } from '../rate-limiter.ts';
import { COUNT } from './scripts.ts';

export interface RedisRateLimiterOptions {
  /** How often counts are exchanged. */
  readonly exchangeMs?: number;
  /** Told once an outage, and once when it is over. This process counts for itself meanwhile. */
  readonly onRedisLost?: (cause: Error) => void;
  readonly onRedisBack?: () => void;
}

/** Requests that are being told to the others. */
interface Told {
  readonly bucket: Bucket;
  readonly count: number;
}

/** Keys that are told in one round trip; a script keeps Redis from everything else while it runs. */
const BATCH = 500;

/**
 * Counts in this process and exchanges the counts with all others through Redis several times a second. So a limit is
 * exceeded by at most what the processes let through between two exchanges, and no request waits for Redis.
 */
export class RedisRateLimiter extends MemoryRateLimiter {
  readonly #link: RedisLink;
  readonly #timer: NodeJS.Timeout;
  #exchange: Promise<void> | null = null;

  /** @throws RedisSettingsError for a wrong URL or prefix; an unreachable Redis is no error */
  constructor(limits: RateLimits, place: RedisPlace, options: RedisRateLimiterOptions = {}) {
    super(limits, undefined, true);
    this.#link = new RedisLink(
      { ...place, purpose: 'rates' },
      {
        onUp: ({ isReturn }) => isReturn && options.onRedisBack?.(),
        onDown: (cause) => options.onRedisLost?.(cause),
      },
    );
    this.#timer = setInterval(() => void this.exchange(), options.exchangeMs ?? 200).unref();
  }

  /** Whether the counts are those of all processes now. */
  get isShared(): boolean {
    return this.#link.isUp;
  }

  /** Tells what was counted here and takes over the counts of all. Never rejects. */
  exchange(): Promise<void> {
    return (this.#exchange ??= Promise.all([
      this.#exchangeOf('principal', this.principals),
      this.#exchangeOf('address', this.addresses),
    ]).then(
      () => void (this.#exchange = null),
      () => {
        this.#exchange = null;
        return this.#link.check();
      },
    ));
  }

  override close(): void {
    clearInterval(this.#timer);
    this.#link.close();
  }

  async #exchangeOf(kind: string, buckets: Buckets): Promise<void> {
    const changed = buckets.takeChanged().map((bucket): Told => {
      const { untold } = bucket;
      // Whether Redis hears of it or not: what it did not hear is counted here all the same.
      bucket.untold = 0;
      return { bucket, count: untold };
    });
    for (let start = 0; start < changed.length; start += BATCH) {
      await this.#tell(kind, buckets, changed.slice(start, start + BATCH));
    }
  }

  async #tell(kind: string, buckets: Buckets, batch: readonly Told[]): Promise<void> {
    if (!this.#link.isUp) return;
    const keys = batch.map(({ bucket }) => `${this.#link.prefix}:${kind}:${bucket.key}`);
    const values = batch.flatMap(({ count }) => [count * buckets.intervalMs, buckets.mostAheadMs]);
    const ahead = (await this.#link.commands.eval(COUNT, keys.length, ...keys, ...values)) as string[];
    const now = performance.now();
    for (const [index, { bucket }] of batch.entries()) buckets.settle(bucket, Number(ahead[index]), now);
  }
}
