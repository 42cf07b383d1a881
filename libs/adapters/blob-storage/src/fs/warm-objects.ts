/** The kernel drops from its memory what was used longest ago, and rarely within so short a time. */
const WARM_MS = 60_000;
/** What is larger may push out its own beginning. */
const BYTES_MAX = 1024 ** 3;
const OBJECTS_MAX = 10_000;

interface Sent {
  /** In milliseconds. */
  readonly at: number;
  readonly last: number;
}

/** The objects that were sent from their beginning a moment ago: the kernel should still have them in memory. */
export class WarmObjects {
  readonly #now: () => number;
  /** By key, the one sent longest ago first. */
  readonly #sent = new Map<string, Sent>();

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** Whether all bytes up to and with `last` should be in memory. */
  has(key: string, last: number): boolean {
    const sent = this.#sent.get(key);
    return sent !== undefined && last <= sent.last && this.#now() - sent.at < WARM_MS;
  }

  /** To be told when the bytes from the beginning to `last` were sent. */
  sent(key: string, last: number): void {
    // A shorter part says nothing about what was sent up to a later byte.
    if (last >= BYTES_MAX || this.has(key, last + 1)) return;
    this.#sent.delete(key);
    this.#sent.set(key, { at: this.#now(), last });
    if (this.#sent.size > OBJECTS_MAX) this.#forgetOldest();
  }

  #forgetOldest(): void {
    for (const key of this.#sent.keys()) {
      this.#sent.delete(key);
      return;
    }
  }
}
