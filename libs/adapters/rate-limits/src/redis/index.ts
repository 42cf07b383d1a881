export { RedisFailureCounts } from './redis-failure-counts.ts';
export { RedisRateLimiter, type RedisRateLimiterOptions } from './redis-rate-limiter.ts';
