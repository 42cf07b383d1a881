import type { UploadSessions } from '@sluice/database';
import { OciError } from '@sluice/domain/oci';

/** A session whose writer is silent for this long may be taken by another. */
export const WRITER_LEASE_SECONDS = 30;

/** Keeps an upload session for its writer while it works, and notices when it was lost. */
export class WriterLease implements Disposable {
  readonly writer: string;
  readonly #heartbeat: NodeJS.Timeout;
  #heldUntil = Date.now() + WRITER_LEASE_SECONDS * 1_000;

  constructor(sessions: UploadSessions, sessionId: string, writer: string) {
    this.writer = writer;
    this.#heartbeat = setInterval(
      () => void this.#renew(sessions, sessionId),
      (WRITER_LEASE_SECONDS * 1_000) / 3,
    );
  }

  /** @throws OciError BLOB_UPLOAD_UNKNOWN when another may be writing */
  assertHeld(): void {
    if (Date.now() >= this.#heldUntil) {
      throw new OciError('BLOB_UPLOAD_UNKNOWN', 'the upload was cancelled or taken over by another request');
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#heartbeat);
  }

  async #renew(sessions: UploadSessions, sessionId: string): Promise<void> {
    const askedAt = Date.now();
    try {
      const held = await sessions.renew(sessionId, this.writer, WRITER_LEASE_SECONDS);
      this.#heldUntil = held ? askedAt + WRITER_LEASE_SECONDS * 1_000 : 0;
    } catch {
      // The database may be back before the lease ends; if not, assertHeld() says so.
    }
  }
}
