import { describe, expect, it } from 'vitest';
import { LoginThrottle } from './login-throttle.ts';
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
  function setUp() {
    const clock = { now: new Date('2026-11-21T12:00:00Z') };
    const throttle = new LoginThrottle({ failures: 3, windowSeconds: 60 }, () => clock.now);
    const attempt = (user: string, address: string) => {
      try {
        throttle.attempt(user, address);
        return 'allowed';
      } catch (error) {
        return (error as { code: string; retryAfterSeconds: number }).retryAfterSeconds;
      }
    };
    return { clock, throttle, attempt };
  }

  it('refuses after so many failures, for the rest of the window, and says how long that is', () => {
    const { clock, attempt } = setUp();
    expect([1, 2, 3].map(() => attempt('anna', '10.0.0.1'))).toEqual(['allowed', 'allowed', 'allowed']);
    expect(attempt('anna', '10.0.0.1')).toBe(60);
    clock.now = new Date(clock.now.getTime() + 45_000);
    expect(attempt('ANNA', '10.0.0.1')).toBe(15);
    clock.now = new Date(clock.now.getTime() + 15_000);
    expect(attempt('anna', '10.0.0.1')).toBe('allowed');
  });

  it('locks out neither the user elsewhere nor other users there', () => {
    const { attempt } = setUp();
    for (let index = 0; index < 4; index++) attempt('anna', '10.0.0.1');
    expect(attempt('anna', '10.0.0.2')).toBe('allowed');
    expect(attempt('bob', '10.0.0.1')).toBe('allowed');
  });

  it('forgets the failures at a success', () => {
    const { throttle, attempt } = setUp();
    attempt('anna', '10.0.0.1');
    attempt('anna', '10.0.0.1');
    throttle.succeeded('anna', '10.0.0.1');
    expect([1, 2, 3].map(() => attempt('anna', '10.0.0.1'))).toEqual(['allowed', 'allowed', 'allowed']);
  });
});
