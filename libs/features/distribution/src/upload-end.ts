import type { BlobStorage, StorageState, StoredUpload } from '@sluice/blob-storage';
import type { Checkpoint, UploadSession, UploadSessions } from '@sluice/database';
import { type Digest, digestAlgorithm, OciError, type RepositoryName } from '@sluice/domain/oci';
import { isIntact } from './intact.ts';
import { NativeHash, type RunningHash, type RunningHashes } from './running-hashes.ts';
import { unknownUpload } from './upload-chunk.ts';
import type { WriteHold } from './writer-lease.ts';

/** What is stored of an upload. */
export interface Progress {
  readonly offsetBytes: number;
  readonly storageState: StorageState;
  /** Undefined when the hash of what is stored is not known. */
  readonly hash: RunningHash | undefined;
}

/** Clients give up after 30 s without an answer, so what takes longer to be read again is not read again. */
const REHASH_MAX_BYTES = 20 * 1024 ** 3;
const REHASH_MAX_MS = 20_000;

/** How uploads end: as a blob, or as nothing. */
export class UploadEnd {
  readonly #sessions: UploadSessions;
  readonly #storage: BlobStorage;
  readonly #hashes: RunningHashes;
  readonly #leaseSeconds: number;
  readonly #checkpoint: Checkpoint;

  /** @param leaseSeconds how long a blob is kept from garbage collection after its push */
  constructor(
    sessions: UploadSessions,
    storage: BlobStorage,
    hashes: RunningHashes,
    leaseSeconds: number,
    checkpoint: Checkpoint,
  ) {
    this.#sessions = sessions;
    this.#storage = storage;
    this.#hashes = hashes;
    this.#leaseSeconds = leaseSeconds;
    this.#checkpoint = checkpoint;
  }

  /**
   * Makes the upload a blob of the repository when its content has the digest; otherwise throws it away.
   *
   * @param progress with the hash of what is stored, or what the row says of it; without either it is read again
   * @throws OciError DIGEST_INVALID, UNSUPPORTED or BLOB_UPLOAD_INVALID (too much to be read again), BLOB_UPLOAD_UNKNOWN
   */
  async commit(
    repository: RepositoryName,
    session: UploadSession,
    progress: Progress & { readonly prefixDigest?: Digest | null },
    digest: Digest,
    lease: WriteHold,
  ): Promise<void> {
    const upload = {
      key: session.storageKey,
      offset: progress.offsetBytes,
      state: progress.storageState,
    };
    const known = session.mustRehash ? null : (progress.prefixDigest ?? progress.hash?.digest() ?? null);
    const isKnown = known !== null && digestAlgorithm(known) === digestAlgorithm(digest);
    if (!isKnown && progress.offsetBytes > REHASH_MAX_BYTES) throw tooLargeToRehash(session, digest);
    if (isKnown) await this.#checkDigest(repository, session, known, digest, lease);
    // Another one may have finished the object, and a blob may stand on it.
    await lease.hold();
    await this.#storage.finish(upload);
    if (!isKnown) {
      await this.#checkDigest(repository, session, await this.#rehash(session, digest, lease), digest, lease);
    }
    this.#checkpoint('upload.synced');

    const blob = { digest, sizeBytes: upload.offset, leaseSeconds: this.#leaseSeconds };
    const objectKey = await this.#sessions.commit(session.id, lease.writer, blob);
    if (objectKey === null) {
      await this.#dropUnknown(upload);
      throw unknownUpload();
    }
    this.#checkpoint('blob.committed');
    this.#hashes.forget(session.id);
    if (objectKey === upload.key) return;
    if (await isIntact(this.#storage, { objectKey, sizeBytes: upload.offset }))
      return this.#dropDuplicate(session);
    // The blob is acknowledged by this push, too, so it has to be there.
    if (!(await this.#sessions.mend(session.id, digest, objectKey, upload.key))) throw lostBlob(digest);
  }

  async #checkDigest(
    repository: RepositoryName,
    session: UploadSession,
    actual: Digest,
    claimed: Digest,
    lease: WriteHold,
  ): Promise<void> {
    if (actual === claimed) return;
    await lease.hold();
    // The object may be finished: nobody would find it any more if the session went first.
    await this.discard(session);
    await this.#sessions.remove(session.id, repository);
    throw new OciError('DIGEST_INVALID', `the content has the digest ${actual}, not ${claimed}`);
  }

  async #rehash(session: UploadSession, digest: Digest, lease: WriteHold): Promise<Digest> {
    const hash = new NativeHash(digestAlgorithm(digest));
    const deadline = performance.now() + REHASH_MAX_MS;
    for await (const chunk of await this.#storage.read(session.storageKey)) {
      if (!lease.isHeld) await lease.hold();
      if (performance.now() > deadline) throw tooLargeToRehash(session, digest);
      hash.update(chunk as Uint8Array);
    }
    return hash.digest();
  }

  /** The session is another's now, or is gone with its project: then nobody would ever find the object. */
  async #dropUnknown(upload: StoredUpload): Promise<void> {
    const known = await this.#sessions.knownKeys([upload.key]);
    if (!known.has(upload.key)) await this.#storage.abort(upload);
  }

  /** The blob is there already. If this fails, the sweep of expired sessions does it. */
  async #dropDuplicate(session: UploadSession): Promise<void> {
    try {
      await this.discard(session);
      await this.#sessions.remove(session.id, null);
    } catch {
      return;
    }
  }

  /** Removes what was stored. @param session null: there was none */
  async discard(session: UploadSession | null): Promise<void> {
    if (session === null) return;
    this.#checkpoint('upload.discarded');
    this.#hashes.forget(session.id);
    await this.#storage.abort({
      key: session.storageKey,
      offset: session.offsetBytes,
      state: storageStateOf(session),
    });
  }
}

function lostBlob(digest: Digest): OciError {
  return new OciError('UNAVAILABLE', `the storage has lost what it held of ${digest}: push it again`);
}

/** @returns why, and what the client can do: the upload itself stays as it is */
function tooLargeToRehash(session: UploadSession, digest: Digest): OciError {
  const algorithm = digestAlgorithm(digest);
  return algorithm === session.algorithm
    ? new OciError(
        'BLOB_UPLOAD_INVALID',
        'the upload was interrupted, and to read so many bytes again takes longer than clients wait: begin a new upload',
      )
    : new OciError(
        'UNSUPPORTED',
        `to read so many bytes again for ${algorithm} takes longer than clients wait: begin the upload with ` +
          `?digest-algorithm=${algorithm}`,
      );
}

/** The session's place in the storage, as its row says. */
export function storageStateOf(session: UploadSession): StorageState {
  return session.storageState as StorageState;
}
