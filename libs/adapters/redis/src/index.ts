export {
  type RedisArrival,
  RedisLink,
  type RedisLinkListener,
  type RedisLinkSettings,
  type RedisPlace,
} from './redis-link.ts';
export { parseRedisPrefix, parseRedisUrl, RedisSettingsError } from './redis-url.ts';
