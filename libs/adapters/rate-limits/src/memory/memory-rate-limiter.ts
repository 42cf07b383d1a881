import { RateLimiter, type RateLimits, type Refusal } from '../rate-limiter.ts';
import { Buckets } from './buckets.ts';
import { networkOf } from '../network.ts';

/** Counts in this process alone. */
export class MemoryRateLimiter extends RateLimiter {
  protected readonly principals: Buckets;
  protected readonly addresses: Buckets;
  readonly #now: () => number;
  readonly #isUnlimited: boolean;

  /** @param now milliseconds of a clock that never goes back */
  constructor(limits: RateLimits, now: () => number = () => performance.now(), isShared = false) {
    super();
    this.principals = new Buckets(limits.principal, isShared);
    this.addresses = new Buckets(limits.address, isShared);
    this.#now = now;
    this.#isUnlimited = limits.principal.perSecond === 0 && limits.address.perSecond === 0;
  }

  take(principalId: string | null, address: string | null): Refusal | null {
    if (this.#isUnlimited) return null;
    const now = this.#now();
    if (address !== null) {
      const waitMs = this.addresses.take(networkOf(address), now);
      if (waitMs > 0) return { of: 'address', retryAfterSeconds: Math.ceil(waitMs / 1_000) };
    }
    if (principalId !== null) {
      const waitMs = this.principals.take(principalId, now);
      if (waitMs > 0) return { of: 'principal', retryAfterSeconds: Math.ceil(waitMs / 1_000) };
    }
    return null;
  }

  close(): void {}
}

/** Lets everything through. */
export function unlimited(): RateLimiter {
  const none = { perSecond: 0, burst: 1 };
  return new MemoryRateLimiter({ principal: none, address: none });
}
