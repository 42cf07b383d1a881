import { AccessError } from '@sluice/domain/access';
import { LRUCache } from 'lru-cache';

export interface ThrottleOptions {
  /** Failures allowed within a window. */
  readonly failures?: number;
  readonly windowSeconds?: number;
}

/**
 * Limits how often passwords can be guessed, by user name and client address: a guesser locks out neither the user
 * at another address nor other users at the same one. Each process counts for itself.
 */
export class LoginThrottle {
  readonly #failures: LRUCache<string, { count: number; endsAt: number }>;
  readonly #limit: number;
  readonly #windowMs: number;
  readonly #now: () => Date;

  constructor(options: ThrottleOptions = {}, now: () => Date = () => new Date()) {
    this.#limit = options.failures ?? 10;
    this.#windowMs = (options.windowSeconds ?? 300) * 1_000;
    this.#failures = new LRUCache({ max: 50_000 });
    this.#now = now;
  }

  /**
   * Counts an attempt as failed until {@link succeeded} takes it back, so that many attempts at once are counted too.
   *
   * @throws AccessError credentials-throttled when the window is full
   */
  attempt(userName: string, address: string): void {
    const now = this.#now().getTime();
    const key = keyOf(userName, address);
    const known = this.#failures.get(key);
    const entry =
      known === undefined || known.endsAt <= now ? { count: 0, endsAt: now + this.#windowMs } : known;
    if (entry.count >= this.#limit) {
      const seconds = Math.ceil((entry.endsAt - now) / 1_000);
      throw new AccessError(
        'credentials-throttled',
        `too many failed logins: try again in ${seconds} seconds`,
        {
          retryAfterSeconds: seconds,
        },
      );
    }
    entry.count++;
    this.#failures.set(key, entry);
  }

  succeeded(userName: string, address: string): void {
    this.#failures.delete(keyOf(userName, address));
  }
}

function keyOf(userName: string, address: string): string {
  return `${userName.slice(0, 255).toLowerCase()}\0${address}`;
}
