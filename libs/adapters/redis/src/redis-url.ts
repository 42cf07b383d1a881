import type { RedisOptions } from 'ioredis';

const EXPECTED =
  'expected redis://[user:password@]host[:port][/database], or rediss:// for TLS, with escapes such as %40 for @ in the password';
const DATABASE_MAX = 1_023;
const PREFIX = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** A URL or prefix that cannot be used. The message never repeats the URL, because that may hold a password. */
export class RedisSettingsError extends Error {
  override readonly name = 'RedisSettingsError';
}

/**
 * What the client needs to know from a `redis://` or `rediss://` URL.
 *
 * @throws RedisSettingsError
 */
export function parseRedisUrl(text: string): RedisOptions {
  if (!URL.canParse(text)) throw new RedisSettingsError(`the Redis URL cannot be read: ${EXPECTED}`);
  const url = new URL(text);
  const scheme = url.protocol.slice(0, -1);
  if (scheme !== 'redis' && scheme !== 'rediss') {
    throw new RedisSettingsError(`the Redis URL begins with ${scheme}:// : ${EXPECTED}`);
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (host === '') throw new RedisSettingsError(`the Redis URL names no host: ${EXPECTED}`);
  if (url.search !== '' || url.hash !== '') {
    throw new RedisSettingsError(`the Redis URL has parameters, and none is known: ${EXPECTED}`);
  }
  return {
    host,
    port: url.port === '' ? 6_379 : Number(url.port),
    db: databaseOf(url.pathname),
    ...(url.username === '' ? {} : { username: unescaped(url.username) }),
    ...(url.password === '' ? {} : { password: unescaped(url.password) }),
    ...(scheme === 'rediss' ? { tls: { servername: host } } : {}),
  };
}

/**
 * The prefix of all keys, so that several installations can share one Redis.
 *
 * @throws RedisSettingsError
 */
export function parseRedisPrefix(text: string): string {
  if (PREFIX.test(text)) return text;
  throw new RedisSettingsError(
    'the prefix of Redis keys has 1 to 64 letters, digits, dots, dashes or underscores, and begins with a letter or digit',
  );
}

function databaseOf(path: string): number {
  if (path === '' || path === '/') return 0;
  const number = /^\/(\d{1,4})$/.exec(path)?.[1];
  if (number !== undefined && Number(number) <= DATABASE_MAX) return Number(number);
  throw new RedisSettingsError(
    `the database in the Redis URL is no number from 0 to ${DATABASE_MAX}: ${EXPECTED}`,
  );
}

function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RedisSettingsError(`the Redis URL holds a wrong escape: ${EXPECTED}`);
  }
}
