import { randomUUID } from 'node:crypto';
import { RedisLink } from '@sluice/redis';
import { afterEach, describe, expect, it } from 'vitest';
import { RedisFailureCounts } from './redis-failure-counts.ts';
import { RedisRateLimiter } from './redis-rate-limiter.ts';

const REDIS_URL = process.env['SLUICE_TEST_REDIS_URL'] ?? '';
const NOWHERE = 'redis://127.0.0.1:1';
const NONE = { perSecond: 0, burst: 1 };

let opened: { close(): void }[] = [];
afterEach(() => {
  for (const each of opened) each.close();
  opened = [];
});

function limiterOn(
  place: { url: string; prefix: string },
  limit: { perSecond: number; burst: number },
  onLost?: () => void,
) {
  const limiter = new RedisRateLimiter(
    { principal: limit, address: NONE },
    place,
    // Tests say themselves when counts are exchanged.
    { exchangeMs: 3_600_000, ...(onLost === undefined ? {} : { onRedisLost: onLost }) },
  );
  opened.push(limiter);
  return limiter;
}

function takeMany(limiter: RedisRateLimiter, count: number): number {
  let taken = 0;
  for (let index = 0; index < count; index++) if (limiter.take('p1', null) === null) taken += 1;
  return taken;
}

describe('limits without Redis', () => {
  it('are held by this process alone, and the loss is told once', async () => {
    let losses = 0;
    const limiter = limiterOn(
      { url: NOWHERE, prefix: 'x' },
      { perSecond: 1, burst: 10 },
      () => (losses += 1),
    );
    expect(takeMany(limiter, 6)).toBe(6);
    await limiter.exchange();
    await new Promise((resolve) => setTimeout(resolve, 300));
    await limiter.exchange();
    expect(takeMany(limiter, 6)).toBe(4);
    expect(losses).toBe(1);
  });

  it('of failed attempts are left to the process', async () => {
    const counts = new RedisFailureCounts({ url: NOWHERE, prefix: 'x' });
    opened.push(counts);
    expect(await counts.attempt('a', 1, 60)).toBe(0);
    expect(await counts.attempt('a', 1, 60)).toBe(0);
    await counts.forget('a');
  });
});

describe.skipIf(REDIS_URL === '')('limits with Redis', () => {
  async function replicas(limit: { perSecond: number; burst: number }) {
    const place = { url: REDIS_URL, prefix: `limits-${randomUUID()}` };
    const pair = [limiterOn(place, limit), limiterOn(place, limit)] as const;
    // Both must have seen Redis, or they would keep their counts for themselves.
    for (const limiter of pair) await expect.poll(() => limiter.isShared).toBe(true);
    return pair;
  }

  it('are one for all processes', async () => {
    const [one, two] = await replicas({ perSecond: 1, burst: 10 });
    expect(takeMany(one, 7)).toBe(7);
    await one.exchange();
    expect(takeMany(two, 1)).toBe(1);
    await two.exchange();
    expect(takeMany(two, 20)).toBe(2);
    await two.exchange();
    takeMany(one, 1);
    await one.exchange();
    expect(takeMany(one, 20)).toBe(0);
  });

  it('are exceeded at most by what goes on between two exchanges, and for at most two bursts of time', async () => {
    const [one, two] = await replicas({ perSecond: 10, burst: 100 });
    expect(takeMany(one, 200) + takeMany(two, 200)).toBe(200);
    await Promise.all([one.exchange(), two.exchange()]);
    expect(takeMany(one, 10) + takeMany(two, 10)).toBe(0);
    expect(one.take('p1', null)?.retryAfterSeconds).toBeLessThanOrEqual(11);
  });

  it('count what is asked while counts are exchanged', async () => {
    const [one] = await replicas({ perSecond: 0.01, burst: 10 });
    takeMany(one, 4);
    const exchange = one.exchange();
    takeMany(one, 4);
    await exchange;
    expect(takeMany(one, 10)).toBe(2);
  });

  it('go on being shared for every key after an exchange that failed', async () => {
    const place = { url: REDIS_URL, prefix: `limits-${randomUUID()}` };
    const limit = { perSecond: 0.001, burst: 2 };
    const [one, two] = [limiterOn(place, limit), limiterOn(place, limit)];
    for (const limiter of [one, two]) await expect.poll(() => limiter.isShared).toBe(true);
    const link = new RedisLink({ ...place, purpose: 'rates' });
    opened.push(link);
    expect(await link.untilUp(5_000)).toBe(true);
    // More than one round trip, of which the first is refused.
    for (let key = 0; key < 600; key += 1) one.take(`p${key}`, null);
    await link.commands.lpush(`${link.prefix}:principal:p0`, 'no count');
    await one.exchange();
    await link.commands.del(`${link.prefix}:principal:p0`);
    expect(one.take('p599', null)).toBeNull();
    await one.exchange();
    expect(two.take('p599', null)).toBeNull();
    await two.exchange();
    expect(two.take('p599', null)).not.toBeNull();
  });

  it('of failed attempts are one for all processes, end with the window, and with a success', async () => {
    const place = { url: REDIS_URL, prefix: `failures-${randomUUID()}` };
    const [one, two] = [new RedisFailureCounts(place), new RedisFailureCounts(place)];
    opened.push(one, two);
    for (const counts of [one, two]) await expect.poll(() => counts.isShared).toBe(true);
    expect([await one.attempt('a', 2, 1), await two.attempt('a', 2, 1)]).toEqual([0, 0]);
    expect(await one.attempt('a', 2, 1)).toBe(1);
    expect(await two.attempt('b', 2, 1)).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 1_050));
    expect(await two.attempt('a', 1, 60)).toBe(0);
    expect(await one.attempt('a', 1, 60)).toBe(60);
    await two.takeBack('a');
    await two.takeBack('a');
    expect(await one.attempt('a', 1, 60)).toBe(0);
    await two.takeBack('nothing');
    expect([await one.attempt('nothing', 1, 60), await one.attempt('nothing', 1, 60)]).toEqual([0, 60]);
    await two.forget('a');
    expect(await one.attempt('a', 1, 60)).toBe(0);
  });
});
