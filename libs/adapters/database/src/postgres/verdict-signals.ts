import type { Notifications } from '../ports/notifications.ts';
import { VERDICT_CHANNEL, VerdictSignals, type VerdictWatch } from '../ports/verdict-signals.ts';

/** One LISTEN for the whole process, however many pulls wait. */
export class PostgresVerdictSignals extends VerdictSignals {
  readonly #watches = new Map<string, Set<Watch>>();

  private constructor() {
    super();
  }

  /** Begins to listen. The listening ends with `notifications`. */
  static async open(notifications: Notifications): Promise<PostgresVerdictSignals> {
    const signals = new PostgresVerdictSignals();
    await notifications.subscribe(VERDICT_CHANNEL, (manifestId) => signals.#deliver(manifestId));
    return signals;
  }

  watch(manifestId: string): VerdictWatch {
    const watches = this.#watches.get(manifestId) ?? new Set();
    this.#watches.set(manifestId, watches);
    const watch = new Watch(() => {
      watches.delete(watch);
      if (watches.size === 0 && this.#watches.get(manifestId) === watches) this.#watches.delete(manifestId);
    });
    watches.add(watch);
    return watch;
  }

  /** Null after a lost connection: signals may have been missed, so everybody looks again. */
  #deliver(manifestId: string | null): void {
    const told = manifestId === null ? [...this.#watches.values()] : [this.#watches.get(manifestId) ?? []];
    for (const watches of told) for (const watch of watches) watch.wake();
  }
}

class Watch implements VerdictWatch {
  #signalled = false;
  #resume: (() => void) | null = null;
  readonly #onClose: () => void;

  constructor(onClose: () => void) {
    this.#onClose = onClose;
  }

  wake(): void {
    this.#signalled = true;
    this.#resume?.();
  }

  async next(timeoutMs: number, signal?: AbortSignal): Promise<boolean> {
    if (!this.#signalled && signal?.aborted !== true) {
      const { promise, resolve } = Promise.withResolvers<void>();
      const resume = (): void => resolve();
      this.#resume = resume;
      const timer = setTimeout(resume, timeoutMs);
      signal?.addEventListener('abort', resume, { once: true });
      await promise;
      clearTimeout(timer);
      signal?.removeEventListener('abort', resume);
      this.#resume = null;
    }
    const signalled = this.#signalled;
    this.#signalled = false;
    return signalled;
  }

  close(): void {
    this.#onClose();
    this.#resume?.();
  }
}
