import type { ConfigOf, processSettings } from '@sluice/platform';
import { parseRedisUrl, type RedisPlace, RedisSettingsError } from '@sluice/redis';
import { EXIT, StartError } from './start-error.ts';

export type { RedisPlace } from '@sluice/redis';

/**
 * The Redis of the settings, null when they name none. Whether it can be reached does not matter for the start.
 *
 * @throws StartError when its URL cannot be used
 */
export function redisPlaceOf({
  redisUrl,
  redisPrefix,
}: Pick<ConfigOf<typeof processSettings>, 'redisUrl' | 'redisPrefix'>): RedisPlace | null {
  if (redisUrl === undefined) return null;
  try {
    parseRedisUrl(redisUrl);
  } catch (error) {
    if (!(error instanceof RedisSettingsError)) throw error;
    throw new StartError(`SLUICE_REDIS_URL: ${error.message}`, EXIT.configuration);
  }
  return { url: redisUrl, prefix: redisPrefix };
}
