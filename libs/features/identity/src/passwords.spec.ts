import { describe, expect, it } from 'vitest';
import { FailureCounts } from '@sluice/rate-limits';
import { LoginThrottle, type ThrottleOptions } from './login-throttle.ts';
import { Passwords } from './passwords.ts';

describe('passwords', () => {
  it('are hashed with Argon2id and verified', async () => {
    const passwords = new Passwords();
    const hash = await passwords.hash('correct horse');
    expect(hash).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
    expect(await passwords.verify(hash, 'correct horse')).toBe(true);
    expect(await passwords.verify(hash, 'correct horsf')).toBe(false);
  });

  it('once verified cost no hashing any more, which a new hash ends', async () => {
    const passwords = new Passwords();
    const hash = await passwords.hash('correct horse');
    expect(passwords.isRemembered(hash, 'correct horse')).toBe(false);
    await passwords.verify(hash, 'correct horse');
    await passwords.verify(hash, 'wrong');
    expect(passwords.isRemembered(hash, 'correct horse')).toBe(true);
    expect(passwords.isRemembered(hash, 'wrong')).toBe(false);
    expect(passwords.isRemembered(await passwords.hash('correct horse'), 'correct horse')).toBe(false);
  });

  it('of nobody never match, not even the decoy that costs the same time', async () => {
    const passwords = new Passwords();
    expect(await passwords.verify(null, 'anything')).toBe(false);
    expect(await passwords.verify(null, 'anything')).toBe(false);
  });

  it('equal attempts at once are one attempt', async () => {
    const passwords = new Passwords();
    const hash = await passwords.hash('correct horse');
    const attempts = Array.from({ length: 30 }, () => passwords.verify(hash, 'correct horse'));
    expect(passwords.isRunning(hash, 'correct horse')).toBe(true);
    expect(new Set(await Promise.all(attempts))).toEqual(new Set([true]));
  });

  it('when the queue is full, the next attempt is told to come back', async () => {
    const passwords = new Passwords({ concurrent: 1, waiting: 3 });
    const hash = await passwords.hash('correct horse');
    const attempts = Array.from({ length: 6 }, (_, index) => passwords.verify(hash, `guess ${index}`));
    const results = await Promise.allSettled(attempts);
    expect(results.map(({ status }) => status).filter((status) => status === 'rejected')).toHaveLength(2);
    expect(results.at(-1)).toMatchObject({
      reason: { code: 'credentials-unavailable', retryAfterSeconds: 5 },
    });
    expect(await passwords.verify(hash, 'correct horse')).toBe(true);
  });
});

describe('the throttle of logins', () => {
  function setUp(options: ThrottleOptions = {}) {
    const clock = { now: new Date('2026-11-21T12:00:00Z') };
    const throttle = new LoginThrottle({ failures: 3, windowSeconds: 60, ...options }, () => clock.now);
    const attempt = async (user: string, address: string) => {
      try {
        await throttle.attempt(user, address);
        return 'allowed';
      } catch (error) {
        return (error as { code: string; retryAfterSeconds: number }).retryAfterSeconds;
      }
    };
    return { clock, throttle, attempt };
  }

  const repeat = async (count: number, attempt: () => Promise<unknown>) => {
    const outcomes: unknown[] = [];
    for (let index = 0; index < count; index++) outcomes.push(await attempt());
    return outcomes;
  };

  it('refuses after so many failures, for the rest of the window, and says how long that is', async () => {
    const { clock, attempt } = setUp();
    expect(await repeat(3, () => attempt('anna', '10.0.0.1'))).toEqual(['allowed', 'allowed', 'allowed']);
    expect(await attempt('anna', '10.0.0.1')).toBe(60);
    clock.now = new Date(clock.now.getTime() + 45_000);
    expect(await attempt('ANNA', '10.0.0.1')).toBe(15);
    clock.now = new Date(clock.now.getTime() + 15_000);
    expect(await attempt('anna', '10.0.0.1')).toBe('allowed');
  });

  it('locks out neither the user elsewhere nor other users there', async () => {
    const { attempt } = setUp();
    await repeat(4, () => attempt('anna', '10.0.0.1'));
    expect(await attempt('anna', '10.0.0.2')).toBe('allowed');
    expect(await attempt('bob', '10.0.0.1')).toBe('allowed');
  });

  it('forgets the failures at a success', async () => {
    const { throttle, attempt } = setUp();
    await repeat(2, () => attempt('anna', '10.0.0.1'));
    await throttle.succeeded('anna', '10.0.0.1');
    expect(await repeat(3, () => attempt('anna', '10.0.0.1'))).toEqual(['allowed', 'allowed', 'allowed']);
  });

  it('counts attempts that are made at once', async () => {
    const { attempt } = setUp();
    const outcomes = await Promise.all([1, 2, 3, 4, 5].map(() => attempt('anna', '10.0.0.1')));
    expect(outcomes.filter((outcome) => outcome === 'allowed')).toHaveLength(3);
  });

  it('takes back an attempt that was not made, and no failure that was', async () => {
    const { throttle, attempt } = setUp();
    await repeat(3, async () => {
      await attempt('anna', '10.0.0.1');
      await throttle.takeBack('anna', '10.0.0.1');
    });
    expect(await repeat(4, () => attempt('anna', '10.0.0.1'))).toEqual(['allowed', 'allowed', 'allowed', 60]);
  });

  it('counts the addresses of one IPv6 network of 64 bits as one (RFC 6177)', async () => {
    const { attempt } = setUp();
    const outcomes = [1, 2, 3, 4].map((host) => attempt('anna', `2001:db8:1:2::${host}`));
    expect(await Promise.all(outcomes)).toEqual(['allowed', 'allowed', 'allowed', 60]);
    expect(await attempt('anna', '2001:db8:1:3::1')).toBe('allowed');
  });

  it('limits the guesses of a network over all names, too: each costs hashing', async () => {
    const { throttle, attempt } = setUp({ failuresOfNetwork: 5 });
    const names = ['a', 'b', 'c', 'd', 'e', 'f'];
    const outcomes = await repeat(6, () => attempt(names.shift() ?? '', '10.0.0.1'));
    expect(outcomes).toEqual([...Array<string>(5).fill('allowed'), 60]);
    expect(await attempt('a', '10.0.0.2')).toBe('allowed');
    expect(await repeat(4, () => attempt('f', '10.0.0.1'))).toEqual([60, 60, 60, 60]);
    await throttle.succeeded('a', '10.0.0.1');
    expect(await attempt('f', '10.0.0.1'), 'which its own refusals did not use up').toBe('allowed');
    expect(await attempt('g', '10.0.0.1')).toBe(60);
  });

  it('asks for the counts of all processes, and takes a success back there', async () => {
    const counts = new Map<string, number>();
    class Counts extends FailureCounts {
      async attempt(key: string, limit: number, windowSeconds: number): Promise<number> {
        counts.set(key, (counts.get(key) ?? 0) + 1);
        return (counts.get(key) ?? 0) > limit ? windowSeconds : 0;
      }

      async takeBack(key: string): Promise<void> {
        counts.set(key, (counts.get(key) ?? 0) - 1);
      }

      async forget(key: string): Promise<void> {
        counts.delete(key);
      }
    }
    const options = { failures: 3, windowSeconds: 60 };
    const [one, two] = [1, 2].map(() => new LoginThrottle(options, undefined, new Counts()));
    await one?.attempt('anna', '10.0.0.1');
    await two?.attempt('anna', '10.0.0.1');
    await two?.attempt('anna', '10.0.0.1');
    await expect(one?.attempt('anna', '10.0.0.1')).rejects.toMatchObject({
      code: 'credentials-throttled',
      retryAfterSeconds: 60,
    });
    await two?.succeeded('anna', '10.0.0.1');
    expect(Object.fromEntries(counts)).toEqual({ '10.0.0.1': 2 });
  });
});
