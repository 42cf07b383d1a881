import { AccessError } from '@sluice/domain/access';

/** A token bucket: `burst` requests at once after a pause, `perSecond` in the long run. */
export interface RateLimit {
  /** 0 is no limit. */
  readonly perSecond: number;
  readonly burst: number;
}

export interface RateLimits {
  readonly principal: RateLimit;
  /** Of an IPv4 address or an IPv6 network of 64 bits, which is what one host has. */
  readonly address: RateLimit;
}

export interface Refusal {
  readonly of: 'principal' | 'address';
  /** After this another request is worth making; at least 1. */
  readonly retryAfterSeconds: number;
}

/** Counts requests, and says of one too many when to come again. What is refused is not counted. */
export abstract class RateLimiter {
  /**
   * Counts one request. Never waits: what other processes counted is known here a moment later.
   *
   * @param principalId null for nobody, or when the principal is not known yet
   * @param address null when the address was counted already
   */
  abstract take(principalId: string | null, address: string | null): Refusal | null;

  /**
   * As {@link take}.
   *
   * @throws AccessError rate-limited
   */
  check(principalId: string | null, address: string | null): void {
    const refusal = this.take(principalId, address);
    if (refusal !== null) throw tooManyRequests(refusal);
  }

  abstract close(): void;
}

/** The refusal as it is told to a client. */
function tooManyRequests({ of, retryAfterSeconds }: Refusal): AccessError {
  const whose = of === 'principal' ? 'with these credentials' : 'from this address';
  return new AccessError(
    'rate-limited',
    `too many requests ${whose}: try again in ${retryAfterSeconds} ${retryAfterSeconds === 1 ? 'second' : 'seconds'}`,
    { retryAfterSeconds },
  );
}
