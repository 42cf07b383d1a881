import type { Readable, Writable } from 'node:stream';

/** JSON that only the storage itself understands. */
export type StorageState =
  null | boolean | number | string | StorageState[] | { [key: string]: StorageState };

/** An upload that can be continued on any replica: all that is known of it is in here. */
export interface StoredUpload {
  /** Names the object for ever; from {@link BlobStorage.newKey}. */
  readonly key: string;
  /** How many bytes are durable, by the caller's books. */
  readonly offset: number;
  /** What {@link BlobStorage.append} returned last, null before the first. */
  readonly state: StorageState;
}

/** What the caller knows of an append. */
export interface AppendOptions {
  /**
   * Nothing but {@link BlobStorage.finish} comes after it, by the same process: the storage may leave for that what
   * only a continuation on another replica needs. Not when the append is interrupted: then it may be continued.
   */
  readonly isLast?: boolean;
  /**
   * Asked before bytes are written over what another append may have written since: a process that was stopped still
   * has bytes in memory when it goes on. When it throws, nothing is written any more and `append` throws the same.
   */
  readonly beforeWrite?: () => Promise<void>;
}

export interface AppendResult {
  /** How many bytes of the upload are durable now. */
  readonly offset: number;
  readonly state: StorageState;
  /** What `body` threw, when it did not come to its end; undefined when it did. */
  readonly interruption: unknown;
}

/** Bytes `first` to `last`, both counted. */
export interface ObjectRange {
  readonly first: number;
  readonly last: number;
}

/** What some storages add to the streams of {@link BlobStorage.read}: a way to a sink that is cheaper than a pipe. */
export interface SendsItself {
  /**
   * Writes everything into the sink and leaves it open. Instead of consuming the stream, which it destroys.
   *
   * @throws BlobStorageError STORAGE_FAILED; what the sink fails with; an error with the code
   * ERR_STREAM_PREMATURE_CLOSE when the sink is closed before the end
   */
  sendTo(sink: Writable): Promise<void>;
}

export function sendsItself(stream: Readable): stream is Readable & SendsItself {
  return 'sendTo' in stream;
}

/** What storages can do whose objects hold the plain bytes of blobs where clients may fetch them. */
export interface SignsUrls {
  /** A URL by which whoever has it can GET a finished object for so many seconds. Nothing is checked or changed. */
  signedUrl(key: string, seconds: number): Promise<string>;
}

export function signsUrls(storage: BlobStorage): storage is BlobStorage & SignsUrls {
  return 'signedUrl' in storage;
}

/** What storages have that take any chunk, but many short ones badly. */
export interface WantsLongChunks {
  /** Bytes from which on a chunk that is not the last costs no more than others. */
  readonly chunkMinBytes: number;
}

export function wantsLongChunks(storage: BlobStorage): storage is BlobStorage & WantsLongChunks {
  return 'chunkMinBytes' in storage;
}

/**
 * Keeps the bytes of blobs under opaque keys. It knows no digests, repositories or rights: the database says what a
 * key is, and only claims what is durable here.
 *
 * A key is unique to one upload and never used again, so that a late delete cannot hit other content, and content
 * need not be moved or copied when its digest becomes known. An object is readable after {@link finish} and never
 * changes. Every method may be called from any replica.
 */
export abstract class BlobStorage {
  /** A key that nobody has used. Nothing is stored under it yet. */
  abstract newKey(): string;

  /**
   * Appends `body` at `upload.offset` and makes it durable before it resolves.
   *
   * Bytes beyond `upload.offset`, left by an append that the caller has no record of, are discarded. When `body`
   * throws, everything it yielded before is kept and made durable, and the error is reported as `interruption`. At
   * most one append may run for an upload at a time.
   *
   * @throws BlobStorageError STORAGE_FULL, UPLOAD_LOST (fewer than `upload.offset` bytes are there), STORAGE_FAILED;
   * the upload is then as it was before. And what `beforeWrite` throws.
   */
  abstract append(
    upload: StoredUpload,
    body: AsyncIterable<Uint8Array>,
    options?: AppendOptions,
  ): Promise<AppendResult>;

  /**
   * Turns the first `upload.offset` bytes into a readable object. Durable when it resolves, O(1) in the size, and may
   * be repeated.
   *
   * @throws BlobStorageError UPLOAD_LOST, STORAGE_FULL, STORAGE_FAILED
   */
  abstract finish(upload: StoredUpload): Promise<void>;

  /** Removes whatever is stored under the key of an upload, finished or not. May be repeated. */
  abstract abort(upload: StoredUpload): Promise<void>;

  /**
   * Streams a finished object, or a part of it that lies within it. The stream must be consumed or destroyed.
   *
   * @throws BlobStorageError OBJECT_MISSING, STORAGE_FAILED
   */
  abstract read(key: string, range?: ObjectRange): Promise<Readable>;

  /** Size of a finished object in bytes, null when there is none. */
  abstract size(key: string): Promise<number | null>;

  /** Removes a finished object. Removing what is not there is no error. */
  abstract delete(key: string): Promise<void>;

  /**
   * Keys of unfinished uploads that nothing was appended to since `before`, for a sweep. The caller asks its books
   * about each and calls {@link abort} on those it does not know.
   */
  abstract listUnfinished(before: Date): AsyncIterable<string>;
}
