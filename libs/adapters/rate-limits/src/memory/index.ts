export { MemoryRateLimiter, unlimited } from './memory-rate-limiter.ts';
