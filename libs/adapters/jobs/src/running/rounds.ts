/**
 * Does a piece of work whenever it is asked for, one round at a time. Asking during a round brings one more, because
 * that round may have looked too early. The work must not reject.
 */
export class Rounds {
  readonly #work: () => Promise<void>;
  #round: Promise<void> | null = null;
  #asked = false;
  #timer: NodeJS.Timeout | null = null;
  #timerEndsAt = Infinity;
  #isOpen = false;

  constructor(work: () => Promise<void>) {
    this.#work = work;
  }

  /** Whether another round follows the one under way. */
  get isAsked(): boolean {
    return this.#asked;
  }

  /** Nothing happens before this. */
  open(): void {
    this.#isOpen = true;
  }

  ask(): void {
    if (!this.#isOpen) return;
    this.#asked = true;
    this.#round ??= this.#run().finally(() => {
      this.#round = null;
      if (this.#asked) this.ask();
    });
  }

  /** Asks later, unless somebody does so before; at once when the time is not positive. */
  askIn(milliseconds: number): void {
    if (milliseconds <= 0) return this.ask();
    const endsAt = performance.now() + milliseconds;
    if (!this.#isOpen || endsAt >= this.#timerEndsAt) return;
    this.#clearTimer();
    this.#timerEndsAt = endsAt;
    this.#timer = setTimeout(() => this.ask(), milliseconds);
  }

  /** Begins no other round and waits for the one under way. */
  async close(): Promise<void> {
    this.#isOpen = false;
    this.#asked = false;
    this.#clearTimer();
    await this.#round;
  }

  async #run(): Promise<void> {
    this.#asked = false;
    this.#clearTimer();
    await this.#work();
  }

  #clearTimer(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#timerEndsAt = Infinity;
  }
}
