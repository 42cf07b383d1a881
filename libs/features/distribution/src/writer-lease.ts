import { setTimeout as sleep } from 'node:timers/promises';
import type { UploadSessions } from '@sluice/database';
import { OciError } from '@sluice/domain/oci';

/** A session whose writer is silent for this long may be taken by another. */
export const WRITER_LEASE_SECONDS = 6;
/**
 * A writer stops this long before, so that bytes which it has handed on already are stored when another begins, also
 * when the clock of the database runs a little faster.
 */
const MARGIN_MS = 2_000;
const HEARTBEAT_MS = 1_200;
/** So often a writer that is cut off from the database asks for its lease. */
const RETRY_MS = 250;
/** And for so long: clients and proxies give up sooner. */
const CUT_OFF_MAX_MS = 60_000;
/** A renewal without an answer for so long is not waited for: on another connection the database may be there. */
const UNANSWERED_MS = 5_000;

const HELD_MS = WRITER_LEASE_SECONDS * 1_000 - MARGIN_MS;

/** What lets somebody write to an upload session. */
export interface WriteHold {
  readonly writer: string;
  readonly isHeld: boolean;
  /** Resolves when it is held. @throws OciError BLOB_UPLOAD_UNKNOWN, UNAVAILABLE */
  hold(): Promise<void>;
}

/**
 * Keeps an upload session for its writer while it works. Whoever writes checks {@link isHeld} before every write and
 * waits in {@link hold} when it is not, so that a process that was stopped, or cannot reach the database, writes
 * nothing that it may no longer write.
 */
export class WriterLease implements WriteHold, Disposable {
  readonly writer: string;
  readonly #sessions: UploadSessions;
  readonly #sessionId: string;
  readonly #heartbeat: NodeJS.Timeout;
  #heldUntil: number;
  #isLost = false;
  #renewal: { readonly askedAt: number; readonly answered: Promise<void> } | null = null;

  /** @param askedAt when the session was asked for, by `performance.now()` */
  constructor(sessions: UploadSessions, sessionId: string, writer: string, askedAt: number) {
    this.writer = writer;
    this.#sessions = sessions;
    this.#sessionId = sessionId;
    this.#heldUntil = askedAt + HELD_MS;
    this.#heartbeat = setInterval(() => void this.#renew(), HEARTBEAT_MS);
  }

  get isHeld(): boolean {
    return performance.now() < this.#heldUntil;
  }

  /**
   * Resolves when the lease is held.
   *
   * @throws OciError BLOB_UPLOAD_UNKNOWN when another has the session, UNAVAILABLE when nobody can say
   */
  async hold(): Promise<void> {
    const deadline = performance.now() + CUT_OFF_MAX_MS;
    while (!this.isHeld) {
      // A database behind a broken network does not refuse, it is silent.
      await Promise.race([this.#renew(), sleep(HEARTBEAT_MS, undefined, { ref: false })]);
      if (this.#isLost) {
        throw new OciError(
          'BLOB_UPLOAD_UNKNOWN',
          'the upload was cancelled, or another request has taken it over',
        );
      }
      if (this.isHeld) return;
      if (performance.now() > deadline)
        throw new OciError('UNAVAILABLE', 'the upload cannot go on: the database does not answer');
      await sleep(RETRY_MS);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#heartbeat);
  }

  /** At most one in a while, however often it is asked for: each takes a connection until it is answered. */
  #renew(): Promise<void> {
    if (this.#isLost) return Promise.resolve();
    const askedAt = performance.now();
    const underWay = this.#renewal;
    if (underWay !== null && askedAt - underWay.askedAt < UNANSWERED_MS) return underWay.answered;
    const renewal = { askedAt, answered: this.#ask(askedAt) };
    this.#renewal = renewal;
    return renewal.answered.finally(() => {
      if (this.#renewal === renewal) this.#renewal = null;
    });
  }

  async #ask(askedAt: number): Promise<void> {
    try {
      if (await this.#sessions.renew(this.#sessionId, this.writer, WRITER_LEASE_SECONDS)) {
        this.#heldUntil = askedAt + HELD_MS;
        return;
      }
      this.#isLost = true;
      this.#heldUntil = 0;
    } catch {
      // The database may be back before the lease ends; if not, the writer waits in hold().
    }
  }
}
