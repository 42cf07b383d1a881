import { AccessError } from '@sluice/domain/access';
import type { FailureCounts } from '@sluice/rate-limits';
import { LRUCache } from 'lru-cache';

export interface ThrottleOptions {
  /** Failures allowed within a window. */
  readonly failures?: number;
  readonly windowSeconds?: number;
}

/**
 * Limits how often passwords can be guessed, by user name and client address: a guesser locks out neither the user
 * at another address nor other users at the same one. Every process counts for itself, and with the others where it can.
 */
export class LoginThrottle {
  readonly #failures: LRUCache<string, { count: number; endsAt: number }>;
  readonly #limit: number;
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
    this.#windowMs = (options.windowSeconds ?? 300) * 1_000;
    this.#failures = new LRUCache({ max: 50_000 });
    this.#shared = shared;
    this.#now = now;
  }

  /**
   * Counts an attempt as failed until {@link succeeded} takes it back, so that many attempts at once are counted too.
   *
   * @throws AccessError credentials-throttled when the window is full
   */
  async attempt(userName: string, address: string): Promise<void> {
    const key = keyOf(userName, address);
    // Counted here first, without a wait: whoever asks often enough at once is refused by that alone.
    this.#attemptHere(key);
    const seconds = await this.#shared?.attempt(key, this.#limit, this.#windowMs / 1_000);
    if (seconds !== undefined && seconds > 0) throw tooManyFailures(seconds);
  }

  async succeeded(userName: string, address: string): Promise<void> {
    const key = keyOf(userName, address);
    this.#failures.delete(key);
    await this.#shared?.forget(key);
  }

  #attemptHere(key: string): void {
    const now = this.#now().getTime();
    const known = this.#failures.get(key);
    const entry =
      known === undefined || known.endsAt <= now ? { count: 0, endsAt: now + this.#windowMs } : known;
    if (entry.count >= this.#limit) throw tooManyFailures(Math.ceil((entry.endsAt - now) / 1_000));
    entry.count++;
    this.#failures.set(key, entry);
  }
}

function tooManyFailures(seconds: number): AccessError {
  return new AccessError('credentials-throttled', `too many failed logins: try again in ${seconds} seconds`, {
    retryAfterSeconds: seconds,
  });
}

function keyOf(userName: string, address: string): string {
  return `${userName.slice(0, 255).toLowerCase()}\0${address}`;
}
