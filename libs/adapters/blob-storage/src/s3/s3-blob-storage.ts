import { createHash, randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  type AppendOptions,
  type AppendResult,
  BlobStorage,
  type ObjectRange,
  type SignsUrls,
  type StoredUpload,
  type WantsLongChunks,
} from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';
import { releaseChunk } from '../lent-chunks.ts';
import { Bucket } from './bucket.ts';
import { ByteBudget, PartBuffers } from './part-buffers.ts';
import { DEFAULT_PART_BYTES, PART_BYTES_MIN } from './part-sizes.ts';
import { type PartResources, PartWriter } from './part-writer.ts';
import { probeStore } from './probe.ts';
import { isBlobStorageError } from './s3-errors.ts';
import type { S3Options } from './s3-options.ts';
import { listUnfinished } from './unfinished.ts';
import {
  parseUploadState,
  printUploadState,
  storedBytes,
  type Tail,
  uploadLost,
  type UploadState,
} from './upload-state.ts';

/** Bytes that are on their way to the store at once, over all uploads. */
const IN_FLIGHT_BYTES = 24 * 1_048_576;
const KEY = /^[0-9a-f]{2}\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Blobs as objects of a bucket:
 *
 *     <prefix>/blobs/<aa>/<uuid>        finished; before that the key of a multipart upload, which nobody sees
 *     <prefix>/tails/<aa>/<uuid>/<id>   the last bytes of an unfinished upload, when they are too few for a part
 *
 * where the key is `<aa>/<uuid>`. Nothing is copied when an upload ends: parts go straight to the final key. S3 cannot
 * append, and its parts have at least 5 MiB; so the rest of an append waits as an object of its own and becomes the
 * begin of the next part, the last part, or the whole object.
 */
export class S3BlobStorage extends BlobStorage implements SignsUrls, WantsLongChunks {
  /** What is shorter is stored beside the upload, and again as a part of it. */
  readonly chunkMinBytes = PART_BYTES_MIN;
  readonly #bucket: Bucket;
  readonly #prefix: string;
  readonly #parts: PartResources;

  private constructor(options: S3Options) {
    super();
    const firstPartBytes = options.partBytes ?? DEFAULT_PART_BYTES;
    if (firstPartBytes < PART_BYTES_MIN)
      throw new BlobStorageError('STORAGE_FAILED', 'parts of S3 uploads have at least 5 MiB');
    this.#bucket = new Bucket(options);
    this.#prefix = options.prefix === '' ? '' : `${options.prefix}/`;
    this.#parts = {
      bucket: this.#bucket,
      buffers: new PartBuffers(firstPartBytes),
      budget: new ByteBudget(IN_FLIGHT_BYTES),
      firstPartBytes,
    };
  }

  /**
   * Opens the storage after it has been seen to keep what S3 promises.
   *
   * @throws BlobStorageError STORAGE_FAILED with what the store did
   */
  static async open(options: S3Options): Promise<S3BlobStorage> {
    const storage = new S3BlobStorage(options);
    try {
      await probeStore(storage.#bucket, `${storage.#prefix}probe/${randomUUID()}`);
    } catch (error) {
      storage.close();
      throw error;
    }
    return storage;
  }

  /** Ends idle connections. */
  close(): void {
    this.#bucket.close();
  }

  /** @throws BlobStorageError STORAGE_FAILED when the bucket cannot be reached */
  check(): Promise<void> {
    return this.#bucket.check();
  }

  newKey(): string {
    const id = randomUUID();
    return `${id.slice(0, 2)}/${id}`;
  }

  async append(
    upload: StoredUpload,
    body: AsyncIterable<Uint8Array>,
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    const before = parseUploadState(upload);
    // A multipart upload that an end without a record has completed is an object now, with other bytes at its end.
    const mayBeFinished = before.uploadId !== null && (await this.size(upload.key)) !== null;
    if (before.whole !== null || mayBeFinished) throw uploadLost(upload.key);
    const writer = new PartWriter(this.#parts, this.#object(upload.key), before);
    try {
      const { hasWritten, interruption } = await this.#pump(upload, before, body, writer);
      if (!hasWritten) return { offset: upload.offset, state: upload.state, interruption };
      const isLast = options.isLast === true && interruption === undefined;
      const { uploadId, parts, kept } = await writer.end<Partial<UploadState>>(isLast, async (rest) => {
        if (!isLast) return this.#keepTail(upload.key, rest);
        // Parts of another writer have ETags that no state names, but this would take the place of a finished object.
        await options.beforeWrite?.();
        return this.#putWhole(upload.key, rest);
      });
      // The caller has recorded the state that made this tail stale.
      if (before.staleTail !== null) await this.#dropTails(upload.key, before.staleTail);
      const after: UploadState = {
        uploadId,
        parts,
        tail: null,
        whole: null,
        ...kept,
        staleTail: before.tail?.id ?? null,
      };
      return { offset: storedBytes(after), state: printUploadState(after), interruption };
    } catch (error) {
      await writer.abandon();
      throw error;
    }
  }

  async finish(upload: StoredUpload): Promise<void> {
    const state = parseUploadState(upload);
    const object = this.#object(upload.key);
    if (state.whole !== null) {
      if ((await this.#bucket.size(object)) !== upload.offset) throw uploadLost(upload.key);
      await this.#dropTails(upload.key, state.staleTail);
      return;
    }
    try {
      const tail = state.tail === null ? Buffer.alloc(0) : await this.#readTail(upload.key, state.tail);
      if (state.uploadId === null) await this.#bucket.put(object, tail);
      else await this.#complete(object, state.uploadId, state.parts, tail);
    } catch (error) {
      // Ceph 16 answers 500 when asked to complete an upload that is gone.
      const isGone =
        state.uploadId === null
          ? isBlobStorageError(error, 'UPLOAD_LOST')
          : (await this.#bucket.lastPartAt(object, state.uploadId)) === null;
      // While parts or tail are there, an object of that size may be what another attempt has left.
      if (!isGone) throw error;
      // An earlier call may have come this far, whether or not it was answered: its parts and tail are used up.
      if ((await this.#bucket.size(object)) !== upload.offset) throw uploadLost(upload.key, error);
    }
    await this.#dropTails(upload.key, state.tail?.id ?? null, state.staleTail);
  }

  async abort(upload: StoredUpload): Promise<void> {
    const object = this.#object(upload.key);
    // Also those that no state names: the begin of an append whose result was never recorded.
    for await (const { key, uploadId } of this.#bucket.uploads(object)) {
      if (key === object) await this.#bucket.abortUpload(key, uploadId);
    }
    for await (const { key } of this.#bucket.objects(this.#tail(upload.key, ''))) {
      await this.#bucket.delete(key);
    }
    // Last, as a finish that overtakes this needs the parts or the tail.
    await this.#bucket.delete(object);
  }

  read(key: string, range?: ObjectRange): Promise<Readable> {
    return this.#bucket.get(this.#object(key), range);
  }

  size(key: string): Promise<number | null> {
    return this.#bucket.size(this.#object(key));
  }

  delete(key: string): Promise<void> {
    return this.#bucket.delete(this.#object(key));
  }

  signedUrl(key: string, seconds: number): Promise<string> {
    return this.#bucket.signedUrl(this.#object(key), seconds);
  }

  async *listUnfinished(before: Date): AsyncIterable<string> {
    for await (const key of listUnfinished(this.#bucket, this.#prefix, before)) if (KEY.test(key)) yield key;
  }

  /** Writes the tail only in front of other bytes, so that an empty chunk costs nothing. */
  async #pump(
    upload: StoredUpload,
    { tail }: UploadState,
    body: AsyncIterable<Uint8Array>,
    writer: PartWriter,
  ): Promise<{ readonly hasWritten: boolean; readonly interruption: unknown }> {
    let hasWritten = false;
    let storageFailure: { readonly error: unknown } | undefined;
    try {
      for await (const chunk of body) {
        if (chunk.length === 0) continue;
        try {
          if (!hasWritten && tail !== null) await writer.write(await this.#readTail(upload.key, tail));
          hasWritten = true;
          await writer.write(chunk);
          releaseChunk(chunk);
        } catch (error) {
          storageFailure = { error };
          throw error;
        }
      }
    } catch (error) {
      if (storageFailure !== undefined) throw storageFailure.error;
      return { hasWritten, interruption: error ?? new Error('the body ended early') };
    }
    return { hasWritten, interruption: undefined };
  }

  async #complete(
    object: string,
    uploadId: string,
    parts: UploadState['parts'],
    tail: Buffer,
  ): Promise<void> {
    const last =
      tail.length === 0 ? [] : [await this.#bucket.uploadPart(object, uploadId, parts.length + 1, tail)];
    const all = [...parts, ...last];
    await this.#bucket.completeUpload(object, uploadId, all);
    const expected = all.reduce((sum, { bytes }) => sum + bytes, 0);
    const size = await this.#bucket.size(object);
    if (size === expected) return;
    throw new BlobStorageError('STORAGE_FAILED', 'the object store has not kept all parts of the upload', {
      detail: `${size} bytes instead of ${expected}`,
    });
  }

  /** Nobody knows the key before the upload is finished, and whoever gives the upload up removes the object too. */
  async #putWhole(key: string, bytes: Buffer): Promise<Pick<UploadState, 'whole'>> {
    await this.#bucket.put(this.#object(key), bytes);
    return { whole: bytes.length };
  }

  async #keepTail(key: string, bytes: Buffer): Promise<Pick<UploadState, 'tail'>> {
    const id = randomUUID();
    await this.#bucket.put(this.#tail(key, id), bytes);
    return { tail: { id, bytes: bytes.length, sha256: sha256(bytes) } };
  }

  /** @throws BlobStorageError UPLOAD_LOST */
  async #readTail(key: string, tail: Tail): Promise<Buffer> {
    try {
      const bytes = await buffer(await this.#bucket.get(this.#tail(key, tail.id)));
      if (sha256(bytes) === tail.sha256) return bytes;
    } catch (error) {
      throw isBlobStorageError(error, 'OBJECT_MISSING') ? uploadLost(key, error) : error;
    }
    throw uploadLost(key);
  }

  /** What is left is found by {@link listUnfinished}, so a failure is none of the caller's. */
  async #dropTails(key: string, ...ids: (string | null)[]): Promise<void> {
    for (const id of ids) {
      if (id !== null) await this.#bucket.delete(this.#tail(key, id)).catch(() => undefined);
    }
  }

  #object(key: string): string {
    return `${this.#prefix}blobs/${checked(key)}`;
  }

  #tail(key: string, id: string): string {
    return `${this.#prefix}tails/${checked(key)}/${id}`;
  }
}

/** Keys come from the database; a wrong one must not lead to other objects. */
function checked(key: string): string {
  if (KEY.test(key)) return key;
  throw new BlobStorageError('STORAGE_FAILED', 'malformed object key', { detail: key });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
