import type { BlobStorage, StorageState } from '@sluice/blob-storage';
import type { Checkpoint, UploadSessions } from '@sluice/database';

export interface SweepResult {
  /** Sessions that nobody had continued. */
  readonly sessions: number;
  /** Unfinished objects that no session claims. */
  readonly objects: number;
}

const BATCH = 100;
/** After so long another sweep takes what one has left, which is what it was doing or nothing. */
const TAKEN_SECONDS = 600;

/** Removes what abandoned uploads have left. */
export class UploadSweep {
  readonly #sessions: UploadSessions;
  readonly #storage: BlobStorage;
  readonly #checkpoint: Checkpoint;

  constructor(sessions: UploadSessions, storage: BlobStorage, checkpoint: Checkpoint = () => undefined) {
    this.#sessions = sessions;
    this.#storage = storage;
    this.#checkpoint = checkpoint;
  }

  /**
   * Ends expired sessions with their objects, and removes unfinished objects that no row knows of. May run on several
   * replicas at once and be interrupted anywhere.
   *
   * @param orphansBefore objects that changed since are left alone: a row may still be on its way
   */
  async run(orphansBefore: Date, signal?: AbortSignal): Promise<SweepResult> {
    const sessions = await this.#sweepSessions(signal);
    return { sessions, objects: await this.#sweepObjects(orphansBefore, signal) };
  }

  async #sweepSessions(signal: AbortSignal | undefined): Promise<number> {
    let removed = 0;
    for (;;) {
      signal?.throwIfAborted();
      const expired = await this.#sessions.takeExpired(BATCH, TAKEN_SECONDS);
      for (const session of expired) {
        await this.#storage.abort({
          key: session.storageKey,
          offset: session.offsetBytes,
          state: session.storageState as StorageState,
        });
        this.#checkpoint('upload.swept');
        await this.#sessions.remove(session.id, null);
      }
      removed += expired.length;
      if (expired.length < BATCH) return removed;
    }
  }

  async #sweepObjects(before: Date, signal: AbortSignal | undefined): Promise<number> {
    let removed = 0;
    let keys: string[] = [];
    const flush = async (): Promise<void> => {
      const known = await this.#sessions.knownKeys(keys);
      for (const key of keys.filter((candidate) => !known.has(candidate))) {
        await this.#storage.abort({ key, offset: 0, state: null });
        removed += 1;
      }
      keys = [];
    };
    for await (const key of this.#storage.listUnfinished(before)) {
      signal?.throwIfAborted();
      if (keys.push(key) >= BATCH) await flush();
    }
    await flush();
    return removed;
  }
}
