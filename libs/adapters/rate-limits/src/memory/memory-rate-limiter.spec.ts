import { describe, expect, it } from 'vitest';
import { MemoryRateLimiter, unlimited } from './memory-rate-limiter.ts';
import { networkOf } from '../network.ts';

const NONE = { perSecond: 0, burst: 1 };

function setUp(perSecond: number, burst: number) {
  const clock = { now: 1_000_000 };
  const limits = { principal: { perSecond, burst }, address: NONE };
  const limiter = new MemoryRateLimiter(limits, () => clock.now);
  const takeMany = (count: number, id = 'p1') => {
    let taken = 0;
    for (let index = 0; index < count; index++) if (limiter.take(id, null) === null) taken += 1;
    return taken;
  };
  return { clock, limiter, takeMany };
}

describe('a limit of requests', () => {
  it('lets exactly the burst through at once, and says when the next one is worth making', () => {
    const { limiter, takeMany } = setUp(10, 25);
    expect(takeMany(40)).toBe(25);
    expect(limiter.take('p1', null)).toEqual({ of: 'principal', retryAfterSeconds: 1 });
  });

  it('lets the rate through in the long run, and no more for asking more often', () => {
    const { clock, takeMany } = setUp(10, 5);
    let taken = takeMany(100);
    for (let step = 0; step < 1_000; step++) {
      clock.now += 10;
      taken += takeMany(3);
    }
    // 10 s at 10 a second after a burst of 5.
    expect(taken).toBe(105);
  });

  it('gives the whole burst again after a pause, and not more after a longer one', () => {
    const { clock, takeMany } = setUp(10, 25);
    takeMany(25);
    clock.now += 2_500;
    expect(takeMany(40)).toBe(25);
    clock.now += 3_600_000;
    expect(takeMany(40)).toBe(25);
  });

  it('tells the wait of slow rates in whole seconds', () => {
    const { limiter, takeMany } = setUp(0.1, 1);
    expect(takeMany(2)).toBe(1);
    expect(limiter.take('p1', null)?.retryAfterSeconds).toBe(10);
  });

  it('counts principals apart', () => {
    const { takeMany } = setUp(1, 3);
    expect(takeMany(5, 'p1')).toBe(3);
    expect(takeMany(5, 'p2')).toBe(3);
  });

  it('is held by principal and by address, whichever is used up first', () => {
    const limits = { principal: { perSecond: 1, burst: 2 }, address: { perSecond: 1, burst: 3 } };
    const limiter = new MemoryRateLimiter(limits, () => 0);
    expect(limiter.take('p1', '10.0.0.1')).toBeNull();
    expect(limiter.take('p1', '10.0.0.1')).toBeNull();
    expect(limiter.take('p1', '10.0.0.1')).toMatchObject({ of: 'principal' });
    expect(limiter.take('p2', '10.0.0.1')).toMatchObject({ of: 'address' });
    expect(limiter.take('p2', '10.0.0.2')).toBeNull();
  });

  it('of 0 lets everything through', () => {
    const limiter = unlimited();
    for (let index = 0; index < 10_000; index++) expect(limiter.take('p1', '10.0.0.1')).toBeNull();
  });

  it('is told as rate-limited, with the seconds', () => {
    const { limiter, takeMany } = setUp(1, 1);
    takeMany(1);
    expect(() => limiter.check('p1', null)).toThrow(
      expect.objectContaining({
        code: 'rate-limited',
        retryAfterSeconds: 1,
        message: 'too many requests with these credentials: try again in 1 second',
      }),
    );
  });

  it('holds for whoever asks, however many others ask', () => {
    const { limiter, takeMany } = setUp(1, 2);
    takeMany(2, 'busy');
    for (let index = 0; index < 60_000; index++) limiter.take(`other-${index}`, null);
    expect(takeMany(1, 'busy')).toBe(0);
  });
});

describe('an address counts for', () => {
  it.each([
    ['10.0.0.1', '10.0.0.1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::1', '2001:db8:1:2::/64'],
    ['2001:0db8:0001:0002:ffff::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ])('%s: %s', (address, network) => {
    expect(networkOf(address)).toBe(network);
  });
});
