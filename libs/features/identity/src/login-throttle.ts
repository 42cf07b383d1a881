import { AccessError } from '@sluice/domain/access';
import { type FailureCounts, networkOf } from '@sluice/rate-limits';
import { LRUCache } from 'lru-cache';

export interface ThrottleOptions {
  /** Failures allowed within a window for a user name from one network. */
  readonly failures?: number;
  /** The same for all user names together: each costs the hashing of a password. */
  readonly failuresOfNetwork?: number;
  readonly windowSeconds?: number;
}

interface Failures {
  count: number;
  readonly endsAt: number;
}

interface Counter {
  readonly key: string;
  readonly limit: number;
}

/**
 * Limits how often passwords can be guessed, by user name and the client's network: a guesser locks out neither the user
 * elsewhere nor, while the guesses are few, other users there. Every process counts for itself, and with the others where
 * it can.
 */
export class LoginThrottle {
  readonly #failures: LRUCache<string, Failures>;
  readonly #limit: number;
  readonly #networkLimit: number;
  readonly #windowMs: number;
  readonly #shared: FailureCounts | null;
  readonly #now: () => Date;

  /** @param shared counts of all processes; null when this one is alone */
  constructor(
    options: ThrottleOptions = {},
    now: () => Date = () => new Date(),
    shared: FailureCounts | null = null,
  ) {
    this.#limit = options.failures ?? 10;
    this.#networkLimit = options.failuresOfNetwork ?? 100;
    this.#windowMs = (options.windowSeconds ?? 300) * 1_000;
    this.#failures = new LRUCache({ max: 50_000 });
    this.#shared = shared;
    this.#now = now;
  }

  /**
   * Counts an attempt as failed until {@link succeeded} or {@link takeBack}, so that many attempts at once are counted
   * too.
   *
   * @throws AccessError credentials-throttled when the window is full
   */
  async attempt(userName: string, address: string): Promise<void> {
    const { name, network } = this.#countersOf(userName, address);
    // Counted here first, without a wait: whoever asks often enough at once is refused by that alone.
    const entries = [name, network].map((counter) => this.#roomFor(counter));
    for (const entry of entries) entry.count++;
    await this.#attemptShared(name);
    try {
      await this.#attemptShared(network);
    } catch (error) {
      // The name has nothing to do with it.
      await this.#takeBack(name);
      throw error;
    }
  }

  /** The password was right, so the guesses before it were those of its owner. */
  async succeeded(userName: string, address: string): Promise<void> {
    const { name, network } = this.#countersOf(userName, address);
    this.#failures.delete(name.key);
    await this.#shared?.forget(name.key);
    await this.#takeBack(network);
  }

  /** The attempt was not made after all. */
  async takeBack(userName: string, address: string): Promise<void> {
    const { name, network } = this.#countersOf(userName, address);
    await this.#takeBack(name);
    await this.#takeBack(network);
  }

  #countersOf(userName: string, address: string): { name: Counter; network: Counter } {
    const network = networkOf(address);
    return {
      name: { key: `${userName.slice(0, 255).toLowerCase()}\0${network}`, limit: this.#limit },
      // No address holds a NUL, so this is never the key of a name.
      network: { key: network, limit: this.#networkLimit },
    };
  }

  /** @throws AccessError credentials-throttled */
  #roomFor({ key, limit }: Counter): Failures {
    const now = this.#now().getTime();
    const known = this.#failures.get(key);
    const entry =
      known === undefined || known.endsAt <= now ? { count: 0, endsAt: now + this.#windowMs } : known;
    if (entry.count >= limit) throw tooManyFailures(Math.ceil((entry.endsAt - now) / 1_000));
    this.#failures.set(key, entry);
    return entry;
  }

  /** @throws AccessError credentials-throttled */
  async #attemptShared({ key, limit }: Counter): Promise<void> {
    const seconds = await this.#shared?.attempt(key, limit, this.#windowMs / 1_000);
    if (seconds !== undefined && seconds > 0) throw tooManyFailures(seconds);
  }

  async #takeBack({ key }: Counter): Promise<void> {
    const entry = this.#failures.get(key);
    if (entry !== undefined && entry.count > 0) entry.count--;
    await this.#shared?.takeBack(key);
  }
}

function tooManyFailures(seconds: number): AccessError {
  return new AccessError('credentials-throttled', `too many failed logins: try again in ${seconds} seconds`, {
    retryAfterSeconds: seconds,
  });
}
