import { createHash, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type BlobStorage, BlobStorageError, wantsLongChunks } from '@sluice/blob-storage';
import type {
  AcquiredSession,
  Checkpoint,
  UploadSession,
  UploadSessions,
  UploadWriter,
} from '@sluice/database';
import {
  type Digest,
  digestAlgorithm,
  type DigestAlgorithm,
  OciError,
  type RepositoryName,
} from '@sluice/domain/oci';
import { RunningHashes } from './running-hashes.ts';
import {
  checkRange,
  type Chunk,
  ChunkRefused,
  metered,
  unknownUpload,
  UploadOutOfOrder,
  type UploadStatus,
} from './upload-chunk.ts';
import { type Progress, storageStateOf, UploadEnd } from './upload-end.ts';
import { type Reservation, UploadReservations } from './upload-reservations.ts';
import { WRITER_LEASE_SECONDS, type WriteHold, WriterLease } from './writer-lease.ts';

export interface UploadSettings {
  /** How long an upload that nobody continues is kept. */
  readonly sessionSeconds: number;
  /** How long a blob is kept from garbage collection after its push. */
  readonly leaseSeconds: number;
}

/** A body that is announced to be no longer is stored before anybody else could want to. */
const SHORT_BYTES = 256 * 1024;
/** So often a session that another request writes to is looked at again. */
const POLL_MS = 100;
/** A status waits so long for a request that is about to end; by then a living writer has shown itself. */
const SETTLE_MS = 2_000;

/** Pushing blobs, in every form of the distribution specification. */
export class UploadService {
  readonly #sessions: UploadSessions;
  readonly #storage: BlobStorage;
  readonly #settings: UploadSettings;
  readonly #checkpoint: Checkpoint;
  readonly #hashes = new RunningHashes();
  readonly #reservations: UploadReservations;
  readonly #end: UploadEnd;

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
    this.#reservations = new UploadReservations(settings.sessionSeconds);
    this.#end = new UploadEnd(sessions, storage, this.#hashes, settings.leaseSeconds, checkpoint);
  }

  /** How long every chunk but the last should be, null when any length is as good. */
  get chunkMinBytes(): number | null {
    return wantsLongChunks(this.#storage) ? this.#storage.chunkMinBytes : null;
  }

  /** Begins an upload. @throws OciError NAME_UNKNOWN (no project) */
  async start(
    repository: RepositoryName,
    principalId: string | null,
    algorithm: DigestAlgorithm,
  ): Promise<UploadStatus> {
    const writer = randomUUID();
    const session = await this.#sessions.create({
      repository,
      principalId,
      reservedFor: writer,
      storageKey: this.#storage.newKey(),
      algorithm,
      ttlSeconds: this.#settings.sessionSeconds,
    });
    this.#reservations.keep(repository, session, writer);
    this.#checkpoint('upload.started');
    return { id: session.id, offsetBytes: 0 };
  }

  /**
   * How many bytes are durable. A client that asks because its connection broke may be here before we have noticed, so
   * this waits a moment for a request that still seems to write.
   *
   * @throws OciError BLOB_UPLOAD_UNKNOWN
   */
  async status(repository: RepositoryName, id: string): Promise<UploadStatus> {
    const deadline = performance.now() + SETTLE_MS;
    let first: UploadWriter | null = null;
    for (;;) {
      const session = await this.#sessions.find(id, repository);
      if (session === null) throw unknownUpload();
      const { writer, offsetBytes } = session;
      if (writer === null || isAtWork(first, writer) || performance.now() > deadline) {
        return { id, offsetBytes };
      }
      first ??= writer;
      await sleep(POLL_MS);
    }
  }

  /**
   * Appends a chunk. What came before the client broke off is kept; a chunk of another length than it says is not.
   *
   * @throws OciError BLOB_UPLOAD_UNKNOWN, SIZE_INVALID, BLOB_UPLOAD_INVALID (the body broke off); UploadOutOfOrder;
   * BlobStorageError
   */
  async append(repository: RepositoryName, id: string, chunk: Chunk): Promise<UploadStatus> {
    const reservation = this.#reservations.take(repository, id);
    return this.#withWriter(repository, id, reservation, async (session, lease) => {
      const progress = await this.#store(session, chunk, session.algorithm, lease, false);
      await this.#record(session, progress, lease);
      this.#checkpoint('upload.recorded');
      return { id, offsetBytes: progress.offsetBytes };
    });
  }

  /**
   * Ends an upload, after a last chunk if there is one: from now on the repository has the blob. An upload whose content
   * has another digest is thrown away.
   *
   * @throws OciError DIGEST_INVALID, UNSUPPORTED (an algorithm that needs too much to be read again), as
   * {@link append}, and what the chunk's own check throws; nothing of the chunk is kept then
   */
  async finish(repository: RepositoryName, id: string, digest: Digest, chunk: Chunk | null): Promise<void> {
    const work = async (session: UploadSession, lease: WriteHold): Promise<void> => {
      const progress =
        chunk === null
          ? this.#stored(session)
          : await this.#store(session, chunk, digestAlgorithm(digest), lease, true);
      await this.#end.commit(repository, session, progress, digest, lease);
    };
    const reservation = this.#reservations.take(repository, id);
    if (reservation !== null && chunk !== null && isShort(chunk)) {
      const { session } = reservation;
      return this.#asWriter(repository, session, reservation, () => work(session, reservation));
    }
    await this.#withWriter(repository, id, reservation, work);
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
      await this.#end.discard(await this.#sessions.remove(id, repository));
      throw error;
    }
  }

  /** @throws OciError BLOB_UPLOAD_UNKNOWN */
  async cancel(repository: RepositoryName, id: string): Promise<void> {
    this.#reservations.take(repository, id);
    const session = await this.#sessions.remove(id, repository);
    if (session === null) throw unknownUpload();
    await this.#end.discard(session);
  }

  /** @param unused the reservation of the session, when this process has it: nothing was stored under it */
  async #withWriter<Result>(
    repository: RepositoryName,
    id: string,
    unused: Reservation | null,
    work: (session: UploadSession, lease: WriteHold) => Promise<Result>,
  ): Promise<Result> {
    const writer = randomUUID();
    const storageKey = unused?.session.storageKey ?? this.#storage.newKey();
    const { session, abandonedKey, askedAt } = await this.#acquire(repository, id, writer, storageKey);
    using lease = new WriterLease(this.#sessions, id, writer, askedAt);
    return await this.#asWriter(repository, session, lease, async () => {
      // Of a process that crashed before its commit. One that is alive removes its object itself when its commit fails.
      if (abandonedKey !== null && abandonedKey !== session.storageKey) {
        await this.#storage.delete(abandonedKey);
      }
      return work(session, lease);
    });
  }

  async #asWriter<Result>(
    repository: RepositoryName,
    session: UploadSession,
    lease: WriteHold,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const { id } = session;
    try {
      return await work();
    } catch (error) {
      if (error instanceof BlobStorageError && error.code === 'UPLOAD_LOST') {
        await this.#end.discard(await this.#sessions.remove(id, repository));
        throw unknownUpload(error);
      }
      await this.#sessions.release(id, lease.writer);
      throw error;
    }
  }

  /**
   * Makes `writer` the only one who writes to the session. Whoever writes to it already may be a connection that has
   * just broken, or a process that has crashed: this waits until it has let go or its lease is over.
   *
   * @throws UploadOutOfOrder when the other one shows that it is at work
   */
  async #acquire(
    repository: RepositoryName,
    id: string,
    writer: string,
    storageKey: string,
  ): Promise<AcquiredSession & { readonly askedAt: number }> {
    const deadline = performance.now() + (WRITER_LEASE_SECONDS + 1) * 1_000;
    let first: UploadWriter | null = null;
    for (;;) {
      const askedAt = performance.now();
      const acquired = await this.#sessions.acquire(id, repository, {
        writer,
        leaseSeconds: WRITER_LEASE_SECONDS,
        storageKey,
      });
      if (acquired === null) throw unknownUpload();
      if (acquired !== 'busy') return { ...acquired, askedAt };
      const other = await this.#sessions.find(id, repository);
      if (other === null) throw unknownUpload();
      if (isAtWork(first, other.writer) || askedAt > deadline) {
        const { offsetBytes } = other;
        throw new UploadOutOfOrder('another request is writing to this upload', { id, offsetBytes });
      }
      first ??= other.writer;
      await sleep(POLL_MS);
    }
  }

  async #store(
    session: UploadSession,
    chunk: Chunk,
    algorithm: DigestAlgorithm,
    lease: WriteHold,
    isLast: boolean,
  ): Promise<Progress> {
    const expected = checkRange(session, chunk);
    const hash = await this.#hashes.resume(session, algorithm, !isLast && chunk.range !== null);
    const { offset, state, interruption } = await this.#storage.append(
      { key: session.storageKey, offset: session.offsetBytes, state: storageStateOf(session) },
      metered(chunk.body, hash, expected, lease, this.#checkpoint),
      { isLast, beforeWrite: () => lease.hold() },
    );
    this.#checkpoint('upload.appended');
    const progress = { offsetBytes: offset, storageState: state, hash };
    if (interruption === undefined) {
      // What is appended is nobody's yet; whoever ends the upload is asked again.
      if (isLast) await chunk.assertAllowed();
      return progress;
    }
    if (interruption instanceof ChunkRefused) throw interruption;
    await this.#record(session, progress, lease);
    throw interruption instanceof OciError ? interruption : brokenOff(offset, interruption);
  }

  async #record(session: UploadSession, progress: Progress, lease: WriteHold): Promise<void> {
    const { offsetBytes, storageState, hash } = progress;
    // The algorithm of the session is what its row says; a last chunk may have been hashed by another.
    const known = hash?.algorithm === session.algorithm ? hash : null;
    const held = await this.#sessions.record(
      session.id,
      lease.writer,
      {
        offsetBytes,
        storageState,
        prefixDigest: known?.digest() ?? null,
        hashState: known?.state() ?? null,
      },
      this.#settings.sessionSeconds,
    );
    if (!held) throw unknownUpload();
    if (hash !== undefined) this.#hashes.keep(session.id, offsetBytes, hash);
  }

  #stored(session: UploadSession): Progress & { readonly prefixDigest: Digest | null } {
    const isEmpty = session.offsetBytes === 0;
    return {
      offsetBytes: session.offsetBytes,
      storageState: storageStateOf(session),
      hash: undefined,
      prefixDigest: isEmpty ? emptyDigest(session.algorithm) : session.prefixDigest,
    };
  }
}

/** A writer that has renewed its lease, or has come after the one that was seen first. */
function isAtWork(first: UploadWriter | null, now: UploadWriter | null): boolean {
  return first !== null && now !== null && (now.id !== first.id || now.until > first.until);
}

function isShort({ lengthBytes }: Chunk): boolean {
  return lengthBytes !== null && lengthBytes <= SHORT_BYTES;
}

function emptyDigest(algorithm: DigestAlgorithm): Digest {
  return `${algorithm}:${createHash(algorithm).digest('hex')}` as Digest;
}

function brokenOff(offsetBytes: number, cause: unknown): OciError {
  return new OciError(
    'BLOB_UPLOAD_INVALID',
    `the body ended early; ${offsetBytes} bytes of the upload are stored`,
    { cause },
  );
}
