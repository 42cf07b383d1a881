import type { UploadSession } from '@sluice/database';
import type { RepositoryName } from '@sluice/domain/oci';
import { LRUCache } from 'lru-cache';
import type { WriteHold } from './writer-lease.ts';

const RESERVATIONS_MAX = 10_000;
/** Clients send a blob at once when they have begun it; what comes later is acquired. */
const KEPT_SECONDS = 60;

/**
 * Sessions that this process has begun and that no request has come for since. Their objects are nobody else's, because
 * whoever acquires one gets another object: so a blob that comes whole need not be acquired before it is stored. Whether
 * that was right, the commit finds out.
 */
export class UploadReservations {
  readonly #reservations: LRUCache<string, Reservation>;

  /** @param sessionSeconds how long an upload that nobody continues is kept */
  constructor(sessionSeconds: number) {
    this.#reservations = new LRUCache({
      max: RESERVATIONS_MAX,
      ttl: Math.min(KEPT_SECONDS, sessionSeconds) * 1_000,
    });
  }

  keep(repository: RepositoryName, session: UploadSession, writer: string): void {
    this.#reservations.set(session.id, new Reservation(repository, session, writer));
  }

  /** Once: whoever has taken it is the only one who may use it. Null when there is none. */
  take(repository: RepositoryName, id: string): Reservation | null {
    const reservation = this.#reservations.get(id);
    if (reservation?.repository !== repository) return null;
    this.#reservations.delete(id);
    return reservation;
  }
}

export class Reservation implements WriteHold {
  readonly isHeld = true;
  readonly repository: RepositoryName;
  readonly session: UploadSession;
  readonly writer: string;

  constructor(repository: RepositoryName, session: UploadSession, writer: string) {
    this.repository = repository;
    this.session = session;
    this.writer = writer;
  }

  async hold(): Promise<void> {}
}
