import type { RateLimit } from '../rate-limiter.ts';

/** What one key has used. */
export interface Bucket {
  readonly key: string;
  /** When the bucket is full again, in milliseconds of this process's own clock. Requests move it on. */
  fullAt: number;
  /** Requests that were counted and not told to others yet. */
  untold: number;
}

/** Buckets of so many keys are kept for certain; beyond, the longest unused ones are forgotten, which is in their favour. */
const GENERATION = 50_000;

/**
 * Token buckets, each kept as one time (generic cell rate algorithm, ITU-T I.371): a request moves it on by the time
 * that it takes to earn one, and is refused while it is further ahead than a burst.
 */
export class Buckets {
  readonly #intervalMs: number;
  readonly #toleranceMs: number;
  readonly #changed: Bucket[] | null;
  #young = new Map<string, Bucket>();
  #old = new Map<string, Bucket>();

  /** @param isShared whether what was counted is collected for {@link takeChanged} */
  constructor(limit: RateLimit, isShared: boolean) {
    this.#intervalMs = limit.perSecond === 0 ? 0 : 1_000 / limit.perSecond;
    this.#toleranceMs = (limit.burst - 1) * this.#intervalMs;
    this.#changed = isShared ? [] : null;
  }

  /** Milliseconds of a full bucket's worth that one request uses up; 0 when there is no limit. */
  get intervalMs(): number {
    return this.#intervalMs;
  }

  /** How far ahead a bucket can be: more than a burst only by what several processes let through at once. */
  get mostAheadMs(): number {
    return 2 * (this.#toleranceMs + this.#intervalMs);
  }

  /** Counts one request: 0, or the milliseconds until one is allowed, and then it is not counted. */
  take(key: string, now: number): number {
    if (this.#intervalMs === 0) return 0;
    const bucket = this.#find(key);
    const ahead = bucket.fullAt - now;
    // A thousandth of a millisecond is lost in sums of so many terms.
    if (ahead > this.#toleranceMs + 0.001) return ahead - this.#toleranceMs;
    bucket.fullAt = Math.max(bucket.fullAt, now) + this.#intervalMs;
    if (this.#changed !== null && ++bucket.untold === 1) this.#changed.push(bucket);
    return 0;
  }

  /** The buckets that counted anything since they were last asked for. Their `untold` is the caller's to settle. */
  takeChanged(): Bucket[] {
    return this.#changed?.splice(0) ?? [];
  }

  /** Takes over how far ahead all processes together are. What was counted here meanwhile comes on top. */
  settle(bucket: Bucket, aheadMs: number, now: number): void {
    bucket.fullAt = now + aheadMs + bucket.untold * this.#intervalMs;
  }

  #find(key: string): Bucket {
    const young = this.#young.get(key);
    if (young !== undefined) return young;
    const bucket = this.#old.get(key) ?? { key, fullAt: 0, untold: 0 };
    if (this.#young.size >= GENERATION) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, bucket);
    return bucket;
  }
}
