export { FailureCounts } from './failure-counts.ts';
export { networkOf } from './network.ts';
export { type RateLimit, RateLimiter, type RateLimits, type Refusal } from './rate-limiter.ts';
