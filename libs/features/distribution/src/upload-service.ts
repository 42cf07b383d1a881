import { createHash, randomUUID } from 'node:crypto';
import { type BlobStorage, BlobStorageError, type StorageState } from '@sluice/blob-storage';
import type { Checkpoint, UploadSession, UploadSessions } from '@sluice/database';
import {
  type Digest,
  digestAlgorithm,
  type DigestAlgorithm,
  OciError,
  type RepositoryName,
} from '@sluice/domain/oci';
import { RunningHash, RunningHashes } from './running-hashes.ts';
import {
  checkRange,
  type Chunk,
  ChunkRefused,
  metered,
  UploadOutOfOrder,
  type UploadStatus,
} from './upload-chunk.ts';
import { WRITER_LEASE_SECONDS, WriterLease } from './writer-lease.ts';

export interface UploadSettings {
  /** How long an upload that nobody continues is kept. */
  readonly sessionSeconds: number;
  /** How long a blob is kept from garbage collection after its push. */
  readonly leaseSeconds: number;
}

interface Progress {
  readonly offsetBytes: number;
  readonly storageState: StorageState;
  /** Undefined when the hash of what is stored is not known. */
  readonly hash: RunningHash | undefined;
}

/** Reading more than this again at the end would outlast the 30 s after which clients give up. */
const REHASH_MAX_BYTES = 20 * 1024 ** 3;

/** Pushing blobs, in every form of the distribution specification. */
export class UploadService {
  readonly #sessions: UploadSessions;
  readonly #storage: BlobStorage;
  readonly #settings: UploadSettings;
  readonly #checkpoint: Checkpoint;
  readonly #hashes = new RunningHashes();

  constructor(
    sessions: UploadSessions,
    storage: BlobStorage,
    settings: UploadSettings,
    checkpoint: Checkpoint = () => undefined,
  ) {
    this.#sessions = sessions;
    this.#storage = storage;
    this.#settings = settings;
    this.#checkpoint = checkpoint;
  }

  /** Begins an upload. @throws OciError NAME_UNKNOWN (no project) */
  async start(
    repository: RepositoryName,
    principalId: string | null,
    algorithm: DigestAlgorithm,
  ): Promise<UploadStatus> {
    const session = await this.#sessions.create({
      repository,
      principalId,
      storageKey: this.#storage.newKey(),
      algorithm,
      ttlSeconds: this.#settings.sessionSeconds,
    });
    return { id: session.id, offsetBytes: 0 };
  }

  /** @throws OciError BLOB_UPLOAD_UNKNOWN */
  async status(repository: RepositoryName, id: string): Promise<UploadStatus> {
    const session = await this.#sessions.find(id, repository);
    if (session === null) throw unknownUpload();
    return { id, offsetBytes: session.offsetBytes };
  }

  /**
   * Appends a chunk. What came before the client broke off is kept; a chunk of another length than it says is not.
   *
   * @throws OciError BLOB_UPLOAD_UNKNOWN, SIZE_INVALID, BLOB_UPLOAD_INVALID (the body broke off); UploadOutOfOrder;
   * BlobStorageError
   */
  async append(repository: RepositoryName, id: string, chunk: Chunk): Promise<UploadStatus> {
    return this.#withWriter(repository, id, async (session, lease) => {
      const progress = await this.#store(session, chunk, session.algorithm, lease);
      await this.#record(session, progress, lease);
      this.#checkpoint('upload.recorded');
      return { id, offsetBytes: progress.offsetBytes };
    });
  }

  /**
   * Ends an upload, after a last chunk if there is one: from now on the repository has the blob. An upload whose content
   * has another digest is thrown away.
   *
   * @throws OciError DIGEST_INVALID, UNSUPPORTED (an algorithm that needs too much to be read again), and as
   * {@link append}
   */
  async finish(repository: RepositoryName, id: string, digest: Digest, chunk: Chunk | null): Promise<void> {
    await this.#withWriter(repository, id, async (session, lease) => {
      const progress =
        chunk === null
          ? this.#stored(session)
          : await this.#store(session, chunk, digestAlgorithm(digest), lease);
      await this.#commit(repository, session, progress, digest, lease);
    });
  }

  /** Pushes a blob in one request. @throws as {@link start} and {@link finish} */
  async push(
    repository: RepositoryName,
    principalId: string | null,
    digest: Digest,
    chunk: Chunk,
  ): Promise<void> {
    const { id } = await this.start(repository, principalId, digestAlgorithm(digest));
    try {
      await this.finish(repository, id, digest, chunk);
    } catch (error) {
      // Nobody knows of the session, so nobody could continue it.
      await this.#discard(await this.#sessions.remove(id, repository));
      throw error;
    }
  }

  /** @throws OciError BLOB_UPLOAD_UNKNOWN */
  async cancel(repository: RepositoryName, id: string): Promise<void> {
    const session = await this.#sessions.remove(id, repository);
    if (session === null) throw unknownUpload();
    await this.#discard(session);
  }

  async #withWriter<Result>(
    repository: RepositoryName,
    id: string,
    work: (session: UploadSession, lease: WriterLease) => Promise<Result>,
  ): Promise<Result> {
    const writer = randomUUID();
    const session = await this.#sessions.acquire(id, repository, writer, WRITER_LEASE_SECONDS);
    if (session === null) throw unknownUpload();
    if (session === 'busy') {
      const status = await this.status(repository, id);
      throw new UploadOutOfOrder('another request is writing to this upload', status);
    }
    using lease = new WriterLease(this.#sessions, id, writer);
    try {
      return await work(session, lease);
    } catch (error) {
      if (error instanceof BlobStorageError && error.code === 'UPLOAD_LOST') {
        await this.#discard(await this.#sessions.remove(id, repository));
        throw unknownUpload(error);
      }
      await this.#sessions.release(id, writer);
      throw error;
    }
  }

  async #store(
    session: UploadSession,
    chunk: Chunk,
    algorithm: DigestAlgorithm,
    lease: WriterLease,
  ): Promise<Progress> {
    const expected = checkRange(session, chunk);
    const hash = this.#hashes.resume(session, algorithm);
    const { offset, state, interruption } = await this.#storage.append(
      { key: session.storageKey, offset: session.offsetBytes, state: stateOf(session) },
      metered(chunk.body, hash, expected, lease),
    );
    this.#checkpoint('upload.appended');
    const progress = { offsetBytes: offset, storageState: state, hash };
    if (interruption === undefined) return progress;
    if (interruption instanceof ChunkRefused) throw interruption;
    await this.#record(session, progress, lease);
    throw interruption instanceof OciError ? interruption : brokenOff(offset, interruption);
  }

  async #record(session: UploadSession, progress: Progress, lease: WriterLease): Promise<void> {
    const { offsetBytes, storageState, hash } = progress;
    const held = await this.#sessions.record(
      session.id,
      lease.writer,
      {
        offsetBytes,
        storageState,
        // The algorithm of the session is what its row says; a last chunk may have been hashed by another.
        prefixDigest: hash?.algorithm === session.algorithm ? hash.digest() : null,
      },
      this.#settings.sessionSeconds,
    );
    if (!held) throw unknownUpload();
    if (hash !== undefined) this.#hashes.keep(session.id, offsetBytes, hash);
  }

  async #commit(
    repository: RepositoryName,
    session: UploadSession,
    progress: Progress & { readonly prefixDigest?: Digest | null },
    digest: Digest,
    lease: WriterLease,
  ): Promise<void> {
    const upload = {
      key: session.storageKey,
      offset: progress.offsetBytes,
      state: progress.storageState,
    };
    const known = session.mustRehash ? null : (progress.prefixDigest ?? progress.hash?.digest() ?? null);
    const isKnown = known !== null && digestAlgorithm(known) === digestAlgorithm(digest);
    if (!isKnown && !session.mustRehash && progress.offsetBytes > REHASH_MAX_BYTES) {
      throw new OciError(
        'UNSUPPORTED',
        `${digestAlgorithm(digest)} of so large a blob must be announced when the upload begins (digest-algorithm)`,
      );
    }
    if (isKnown) await this.#checkDigest(repository, session, known, digest);
    await this.#storage.finish(upload);
    if (!isKnown) {
      await this.#checkDigest(repository, session, await this.#rehash(upload.key, digest, lease), digest);
    }
    this.#checkpoint('upload.synced');

    const blob = { digest, sizeBytes: upload.offset, leaseSeconds: this.#settings.leaseSeconds };
    const objectKey = await this.#sessions.commit(session.id, lease.writer, blob);
    if (objectKey === null) throw unknownUpload();
    this.#checkpoint('blob.committed');
    this.#hashes.forget(session.id);
    if (objectKey !== upload.key) await this.#dropDuplicate(session);
  }

  async #checkDigest(
    repository: RepositoryName,
    session: UploadSession,
    actual: Digest,
    claimed: Digest,
  ): Promise<void> {
    if (actual === claimed) return;
    await this.#discard(await this.#sessions.remove(session.id, repository));
    throw new OciError('DIGEST_INVALID', `the content has the digest ${actual}, not ${claimed}`);
  }

  async #rehash(key: string, digest: Digest, lease: WriterLease): Promise<Digest> {
    const hash = new RunningHash(digestAlgorithm(digest));
    for await (const chunk of await this.#storage.read(key)) {
      lease.assertHeld();
      hash.update(chunk as Uint8Array);
    }
    return hash.digest();
  }

  #stored(session: UploadSession): Progress & { readonly prefixDigest: Digest | null } {
    const isEmpty = session.offsetBytes === 0;
    return {
      offsetBytes: session.offsetBytes,
      storageState: stateOf(session),
      hash: undefined,
      prefixDigest: isEmpty ? emptyDigest(session.algorithm) : session.prefixDigest,
    };
  }

  /** The blob is there already. If this fails, the sweep of expired sessions does it. */
  async #dropDuplicate(session: UploadSession): Promise<void> {
    try {
      await this.#discard(session);
      await this.#sessions.remove(session.id, null);
    } catch {
      return;
    }
  }

  async #discard(session: UploadSession | null): Promise<void> {
    if (session === null) return;
    this.#hashes.forget(session.id);
    await this.#storage.abort({
      key: session.storageKey,
      offset: session.offsetBytes,
      state: stateOf(session),
    });
  }
}

function emptyDigest(algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${createHash(algorithm).digest('hex')}` as Digest;
}

function stateOf(session: UploadSession): StorageState {
  return session.storageState as StorageState;
}

function brokenOff(offsetBytes: number, cause: unknown): OciError {
  return new OciError(
    'BLOB_UPLOAD_INVALID',
    `the body ended early; ${offsetBytes} bytes of the upload are stored`,
    { cause },
  );
}

function unknownUpload(cause?: unknown): OciError {
  return new OciError(
    'BLOB_UPLOAD_UNKNOWN',
    'there is no such upload: it was finished, cancelled or has expired',
    cause === undefined ? {} : { cause },
  );
}
