import type { ConfigOf, clientSettings, Logger } from '@sluice/platform';
import type { FailureCounts, RateLimiter } from '@sluice/rate-limits';
import { MemoryRateLimiter } from '@sluice/rate-limits/memory';
import { RedisFailureCounts, RedisRateLimiter } from '@sluice/rate-limits/redis';
import type { RedisPlace } from './redis-place.ts';

export type LimitsConfig = Pick<
  ConfigOf<typeof clientSettings>,
  'rateLimitPrincipal' | 'rateLimitPrincipalBurst' | 'rateLimitAddress' | 'rateLimitAddressBurst'
>;

/** How often clients may call. */
export interface Limits {
  readonly requests: RateLimiter;
  /** Null when no other process can be asked. */
  readonly failures: FailureCounts | null;
  close(): void;
}

/** Counts in Redis for all replicas where there is one, otherwise in this process. */
export function openLimits(config: LimitsConfig, redis: RedisPlace | null, logger: Logger): Limits {
  const limits = {
    principal: { perSecond: config.rateLimitPrincipal, burst: config.rateLimitPrincipalBurst },
    address: { perSecond: config.rateLimitAddress, burst: config.rateLimitAddressBurst },
  };
  if (redis === null) {
    const requests = new MemoryRateLimiter(limits);
    return { requests, failures: null, close: () => requests.close() };
  }
  const failures = new RedisFailureCounts(redis);
  const requests = new RedisRateLimiter(limits, redis, {
    onRedisLost: (cause) =>
      logger.warn(
        { event: 'rate-limits.redis-lost', err: cause },
        'Every process counts requests for itself',
      ),
    onRedisBack: () =>
      logger.info({ event: 'rate-limits.redis-back' }, 'Requests are counted for all processes again'),
  });
  return {
    requests,
    failures,
    close: () => {
      requests.close();
      failures.close();
    },
  };
}
