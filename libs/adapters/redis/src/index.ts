export {
  type RedisArrival,
  RedisLink,
  type RedisLinkListener,
  type RedisLinkSettings,
} from './redis-link.ts';
export { parseRedisPrefix, parseRedisUrl, RedisSettingsError } from './redis-url.ts';
