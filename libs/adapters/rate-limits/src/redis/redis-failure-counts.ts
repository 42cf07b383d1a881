import { createHash } from 'node:crypto';
import { RedisLink, type RedisPlace } from '@sluice/redis';
import { FailureCounts } from '../failure-counts.ts';
import { ATTEMPT, TAKE_BACK } from './scripts.ts';

/** Keys are hashed: what somebody types as a user name may be a password. */
export class RedisFailureCounts extends FailureCounts {
  readonly #link: RedisLink;

  /** @throws RedisSettingsError for a wrong URL or prefix; an unreachable Redis is no error */
  constructor(place: RedisPlace) {
    super();
    this.#link = new RedisLink({ ...place, purpose: 'failures' });
  }

  /** Whether the counts are those of all processes now. */
  get isShared(): boolean {
    return this.#link.isUp;
  }

  async attempt(key: string, limit: number, windowSeconds: number): Promise<number> {
    if (!this.#link.isUp) return 0;
    try {
      const rest = await this.#link.commands.eval(ATTEMPT, 1, this.#keyOf(key), limit, windowSeconds * 1_000);
      return Math.ceil(Number(rest) / 1_000);
    } catch {
      await this.#link.check();
      return 0;
    }
  }

  async takeBack(key: string): Promise<void> {
    if (!this.#link.isUp) return;
    await this.#link.commands.eval(TAKE_BACK, 1, this.#keyOf(key)).catch(() => this.#link.check());
  }

  async forget(key: string): Promise<void> {
    if (!this.#link.isUp) return;
    await this.#link.commands.del(this.#keyOf(key)).catch(() => this.#link.check());
  }

  close(): void {
    this.#link.close();
  }

  #keyOf(key: string): string {
    return `${this.#link.prefix}:${createHash('sha256').update(key).digest('base64url')}`;
  }
}
