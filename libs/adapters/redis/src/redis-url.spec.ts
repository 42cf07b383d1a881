import { describe, expect, it } from 'vitest';
import { parseRedisPrefix, parseRedisUrl, RedisSettingsError } from './redis-url.ts';

describe('parseRedisUrl', () => {
  it.each([
    ['redis://cache', { host: 'cache', port: 6379, db: 0 }],
    ['redis://cache:7000/3', { host: 'cache', port: 7000, db: 3 }],
    ['redis://:p%40ss@cache/', { host: 'cache', port: 6379, db: 0, password: 'p@ss' }],
    [
      'redis://sluice:p%2Fw@10.0.0.1:1/15',
      { host: '10.0.0.1', port: 1, db: 15, username: 'sluice', password: 'p/w' },
    ],
    ['redis://[::1]:6380', { host: '::1', port: 6380, db: 0 }],
    ['rediss://cache', { host: 'cache', port: 6379, db: 0, tls: { servername: 'cache' } }],
  ])('reads %s', (text, options) => {
    expect(parseRedisUrl(text)).toEqual(options);
  });

  it.each([
    ['no URL', 'cache:6379:x', /cannot be read|begins with/],
    ['another scheme', 'http://cache', /begins with http:\/\//],
    ['no host', 'redis://', /names no host|cannot be read/],
    ['a database that is no number', 'redis://cache/jobs', /database .* is no number from 0 to 1023/],
    ['a database too large', 'redis://cache/1024', /database .* is no number from 0 to 1023/],
    ['parameters', 'redis://cache?tls=true', /parameters/],
    ['a wrong escape', 'redis://:%zz@cache', /wrong escape/],
  ])('refuses %s and says what is expected', (_what, text, message) => {
    expect(() => parseRedisUrl(text)).toThrow(message);
    expect(() => parseRedisUrl(text)).toThrow('expected redis://');
  });

  it('never repeats the URL, because it may hold a password', () => {
    expect(() => parseRedisUrl('redis://:hunter2@cache/x')).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining('hunter2') as unknown }),
    );
  });
});

describe('parseRedisPrefix', () => {
  it.each(['sluice', 'team-a.prod_1', 'A'.repeat(64)])('takes %s', (text) => {
    expect(parseRedisPrefix(text)).toBe(text);
  });
  it.each(['', '-a', 'a:b', 'a b', 'a*', 'A'.repeat(65)])('refuses "%s"', (text) => {
    expect(() => parseRedisPrefix(text)).toThrow(RedisSettingsError);
  });
});
