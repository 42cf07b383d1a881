const GAP_MIN_MS = 25;
/** What somebody who pushed a signature and pulls at once may notice. */
const GAP_MAX_MS = 100;

/**
 * When the relay passes. Under load there are many events a pass, and a pass costs little more than an event: so the
 * longer the load goes on, the longer they are collected. An event that comes alone waits for nothing.
 */
export class RelayPace {
  #lastPass = -Infinity;
  #gapMs = GAP_MIN_MS;

  /** How long the next pass, which is wanted now, has to wait. It counts as made then. In ms, `now` by any clock. */
  waitOf(now: number): number {
    const pauseMs = now - this.#lastPass;
    const waitMs = Math.max(0, this.#gapMs - pauseMs);
    this.#gapMs = pauseMs > 2 * this.#gapMs ? GAP_MIN_MS : Math.min(2 * this.#gapMs, GAP_MAX_MS);
    this.#lastPass = now + waitMs;
    return waitMs;
  }

  /** There was more than a pass takes: the next one need not wait. */
  hurry(): void {
    this.#lastPass = -Infinity;
  }
}
