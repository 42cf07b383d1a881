import type { Digest, DigestAlgorithm, RepositoryName } from '@sluice/domain/oci';

/** Who writes to a session. */
export interface UploadWriter {
  readonly id: string;
  /** Nobody else gets the session before. Moves on as long as the writer lives. */
  readonly until: Date;
}

/** An upload under way. Everything that is needed to continue it on any replica. */
export interface UploadSession {
  readonly id: string;
  readonly repositoryId: string;
  /** Key in the blob storage. */
  readonly storageKey: string;
  /** What the blob storage needs to continue. JSON. */
  readonly storageState: unknown;
  /** How many bytes are durable in the blob storage. */
  readonly offsetBytes: number;
  readonly algorithm: DigestAlgorithm;
  /** Digest of these bytes, null when it is not known. */
  readonly prefixDigest: Digest | null;
  /** State of the hash of these bytes, from which another process can go on; null when there is none. */
  readonly hashState: Uint8Array | null;
  /** Null while nobody writes. */
  readonly writer: UploadWriter | null;
  /** A writer vanished without a word: nothing but the stored bytes themselves can say what was stored. */
  readonly mustRehash: boolean;
}

export interface NewUploadSession {
  readonly repository: RepositoryName;
  readonly principalId: string | null;
  /** A uuid: who may {@link UploadSessions.commit} or record without acquiring, until anybody acquires. */
  readonly reservedFor: string;
  readonly storageKey: string;
  readonly algorithm: DigestAlgorithm;
  readonly ttlSeconds: number;
}

/** The session with its writer in it. */
export interface AcquiredSession {
  readonly session: UploadSession;
  /**
   * The storage key of whom the session was reserved for, who may have stored something under it and can commit it no
   * more; null when it was not reserved. The caller removes the object.
   */
  readonly abandonedKey: string | null;
}

export interface AcquireOptions {
  /** A uuid. */
  readonly writer: string;
  readonly leaseSeconds: number;
  /** Of the session from now on when it was reserved: two who may both write need two objects. */
  readonly storageKey: string;
}

export interface UploadProgress {
  readonly offsetBytes: number;
  readonly storageState: unknown;
  readonly prefixDigest: Digest | null;
  readonly hashState: Uint8Array | null;
}

export interface FinishedUpload {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly leaseSeconds: number;
}

/**
 * Upload sessions as rows, so that any replica can continue or finish one. At most one writer has a session at a
 * time; it must renew its lease and loses the session to another writer when it does not.
 */
export abstract class UploadSessions {
  /**
   * Begins an upload, making the repository when needed. Nobody writes to it, but it is reserved: what its creator
   * stores under its key counts when it is committed before anybody has acquired the session.
   *
   * @throws OciError NAME_UNKNOWN (no project)
   */
  abstract create(session: NewUploadSession): Promise<UploadSession>;

  /** Null when it does not exist, has expired, or belongs to another repository. */
  abstract find(id: string, repository: RepositoryName): Promise<UploadSession | null>;

  /** Makes `writer` the one who may change the session. `busy` while another one is. */
  abstract acquire(
    id: string,
    repository: RepositoryName,
    options: AcquireOptions,
  ): Promise<AcquiredSession | 'busy' | null>;

  /** Extends the writer's lease. False when it has lost the session: stop writing at once. */
  abstract renew(id: string, writer: string, leaseSeconds: number): Promise<boolean>;

  /** Records what is durable, extends the session's life and lets it go. False when the writer has lost it. */
  abstract record(id: string, writer: string, progress: UploadProgress, ttlSeconds: number): Promise<boolean>;

  /** Lets the session go as it was. */
  abstract release(id: string, writer: string): Promise<void>;

  /**
   * Ends the session: its object becomes the blob, linked in the repository and leased, unless a live blob of that
   * digest exists already, which is linked instead; the session then expires at once, and the sweep removes its object
   * if the caller does not. Returns the key of the object that holds the blob. Null when the writer has lost the
   * session.
   */
  abstract commit(id: string, writer: string, blob: FinishedUpload): Promise<string | null>;

  /**
   * Ends a session that {@link commit} found a blob for, whose object is lost: the one of the session takes its place.
   * False when that is no longer possible.
   */
  abstract mend(id: string, digest: Digest, lostKey: string, key: string): Promise<boolean>;

  /**
   * Ends the session without a blob, whoever writes to it, and returns what it was; null when there is none. The caller
   * removes its object.
   *
   * @param repository null: whichever it belongs to, expired or not
   */
  abstract remove(id: string, repository: RepositoryName | null): Promise<UploadSession | null>;

  /**
   * Takes sessions that have expired and have no writer, at most `limit`: from now on nobody can continue or commit
   * them, not even a writer that was silent for long. The caller removes their objects and then the sessions, so that a
   * crash between the two leaves no object without a row; what it leaves may be taken again after `leaseSeconds`.
   */
  abstract takeExpired(limit: number, leaseSeconds: number): Promise<UploadSession[]>;

  /** Those of the keys that a session or a blob has. */
  abstract knownKeys(storageKeys: readonly string[]): Promise<Set<string>>;
}
