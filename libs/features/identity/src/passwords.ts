import { createHmac, randomBytes } from 'node:crypto';
import { hash, verify } from '@node-rs/argon2';
import { AccessError, PASSWORD_MAX } from '@sluice/domain/access';
import { LRUCache } from 'lru-cache';

/** OWASP Password Storage Cheat Sheet, Argon2id: 19 MiB, two passes, one lane. The library's default is Argon2id. */
const PARAMETERS = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** How long a verified password is trusted without hashing it again. docker sends it with every single request. */
const VERIFIED_TTL_MS = 5 * 60_000;
export interface PasswordLimits {
  /** How many are hashed at once; each takes a core for a while, so more would starve everything else. 2 unless said. */
  readonly concurrent?: number;
  /** How many may wait; whoever comes next is better told to come back. 100 unless said. */
  readonly waiting?: number;
}

/** Hashes and verifies passwords with Argon2id, and remembers for a while which ones were right. */
export class Passwords {
  /** Key of this process: what the cache holds is worth nothing outside of it. */
  readonly #key = randomBytes(32);
  readonly #verified = new LRUCache<string, true>({ max: 10_000, ttl: VERIFIED_TTL_MS });
  readonly #running = new Map<string, Promise<boolean>>();
  readonly #waiting: (() => void)[] = [];
  readonly #limits: Required<PasswordLimits>;
  #active = 0;
  #decoy: Promise<string> | undefined;

  constructor(limits: PasswordLimits = {}) {
    this.#limits = { concurrent: limits.concurrent ?? 2, waiting: limits.waiting ?? 100 };
  }

  hash(password: string): Promise<string> {
    return this.#limited(() => hash(password, PARAMETERS));
  }

  /** True when this password was verified against this hash within the last minutes. Costs no hashing. */
  isRemembered(passwordHash: string, password: string): boolean {
    return this.#verified.has(this.#cacheKey(passwordHash, password));
  }

  /**
   * Verifies a password. Equal attempts at the same time are one attempt.
   *
   * @param passwordHash null for whoever has none: takes as long as a wrong password, so that names cannot be probed
   * @throws AccessError credentials-unavailable when too many attempts wait already
   */
  async verify(passwordHash: string | null, password: string): Promise<boolean> {
    const against = passwordHash ?? (await this.#decoyHash());
    const key = this.#cacheKey(against, password);
    if (this.#verified.has(key)) return true;
    const running = this.#running.get(key);
    if (running !== undefined) return running;
    const attempt = this.#limited(
      async () => password.length <= PASSWORD_MAX && verify(against, password),
    ).then((right) => {
      if (!right || passwordHash === null) return false;
      this.#verified.set(key, true);
      return true;
    });
    this.#running.set(key, attempt);
    try {
      return await attempt;
    } finally {
      this.#running.delete(key);
    }
  }

  /** True while an equal attempt runs, whose result {@link verify} would share. */
  isRunning(passwordHash: string, password: string): boolean {
    return this.#running.has(this.#cacheKey(passwordHash, password));
  }

  /** The stored hash is part of the key, so a new password ends what is remembered of the old one. */
  #cacheKey(passwordHash: string, password: string): string {
    return createHmac('sha256', this.#key)
      .update(passwordHash)
      .update('\0')
      .update(password)
      .digest('base64');
  }

  #decoyHash(): Promise<string> {
    this.#decoy ??= this.hash(randomBytes(16).toString('hex'));
    return this.#decoy;
  }

  async #limited<T>(work: () => Promise<T>): Promise<T> {
    if (this.#active >= this.#limits.concurrent) {
      if (this.#waiting.length >= this.#limits.waiting) {
        throw new AccessError(
          'credentials-unavailable',
          'too many logins at once: try again in a few seconds',
          {
            retryAfterSeconds: 5,
          },
        );
      }
      // Whoever ends hands over its place, so #active stays as it is.
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#active++;
    }
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#active--;
      else next();
    }
  }
}
