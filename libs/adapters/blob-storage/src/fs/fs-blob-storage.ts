import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable, type Writable } from 'node:stream';
import { SluiceError } from '@sluice/domain/oci';
import {
  type AppendOptions,
  type AppendResult,
  BlobStorage,
  type ObjectRange,
  type SendsItself,
  type StoredUpload,
} from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';
import { BatchWriter } from './batch-writer.ts';
import { HeldUploads, readBeginning } from './held-uploads.ts';
import { HotObjects } from './hot-objects.ts';
import { sendFile } from './send-file.ts';
import { SmallObjects } from './small-objects.ts';
import { WarmObjects } from './warm-objects.ts';

const READ_BUFFER_BYTES = 1024 * 1024;
const COMPLETE_MAX = 10_000;
const SHARDS = Array.from({ length: 256 }, (_, shard) => shard.toString(16).padStart(2, '0'));
const KEY = /^[0-9a-f]{2}\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * Blobs as files of one directory:
 *
 *     uploads/<aa>/<uuid>   unfinished
 *     blobs/<aa>/<uuid>     finished, moved there by rename(2) and never written again
 *
 * where the key is `<aa>/<uuid>` and `<aa>` the first two digits of the uuid. Both must lie in one file system. Data
 * and directory entries are synced before a call resolves, so that they outlive a loss of power. What is small and
 * complete is kept in memory until it is finished, and written then.
 */
export class FsBlobStorage extends BlobStorage {
  readonly #root: string;
  /** Uploads whose bytes are synced whole and only wait to be moved, with their sizes. */
  readonly #complete = new Map<string, number>();
  readonly #held = new HeldUploads();
  readonly #small = new SmallObjects();
  readonly #warm = new WarmObjects();
  readonly #hot = new HotObjects();

  private constructor(root: string) {
    super();
    this.#root = root;
  }

  /** Opens the storage in `root`, making what is missing. @throws BlobStorageError STORAGE_FULL, STORAGE_FAILED */
  static async open(root: string): Promise<FsBlobStorage> {
    return withTypedErrors(`cannot open the blob directory ${root}`, async () => {
      for (const area of ['uploads', 'blobs']) {
        await Promise.all(SHARDS.map((shard) => mkdir(join(root, area, shard), { recursive: true })));
        await syncDirectory(join(root, area));
      }
      await syncDirectory(root);
      return new FsBlobStorage(root);
    });
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
    this.#complete.delete(upload.key);
    this.#held.drop(upload.key);
    if (options.isLast !== true || upload.offset > 0 || !this.#held.hasRoom) {
      return this.#write(upload, body, options);
    }
    const beginning = await readBeginning(body);
    if (beginning.kind === 'long') {
      try {
        return await this.#write(upload, beginning.body, options);
      } finally {
        await beginning.letGo();
      }
    }
    const state = this.#held.hold(upload.key, beginning.content);
    return { offset: beginning.content.length, state, interruption: undefined };
  }

  async finish(upload: StoredUpload): Promise<void> {
    const [from, to] = [this.#path('uploads', upload.key), this.#path('blobs', upload.key)];
    const held = this.#held.take(upload.key, upload.state);
    await withTypedErrors('cannot finish the upload', async () => {
      if (held !== undefined) return this.#small.store(this.#temporary(upload.key), to, held);
      // What was held is gone: an earlier call has stored it, or nobody has.
      if (upload.state !== null && (await this.size(upload.key)) !== upload.offset) throw lost(upload);
      const isReady =
        this.#complete.get(upload.key) === upload.offset || (await this.#makeReady(upload, from));
      this.#complete.delete(upload.key);
      // If it is not there, an earlier call may have ended between the move and this.
      if (isReady) await this.#move(upload, from, to);
      await syncDirectory(dirname(to));
    });
  }

  async abort(upload: StoredUpload): Promise<void> {
    this.#complete.delete(upload.key);
    this.#held.drop(upload.key);
    await withTypedErrors('cannot remove the upload', async () => {
      await rm(this.#path('uploads', upload.key), { force: true });
      await rm(this.#path('blobs', upload.key), { force: true });
    });
  }

  async read(key: string, range?: ObjectRange): Promise<Readable> {
    return withTypedErrors('cannot read the blob', async () => {
      const file = await open(this.#path('blobs', key), constants.O_RDONLY);
      const { first, last } = range ?? (await wholeOf(file));
      if (last < first) {
        await file.close();
        return Readable.from([]);
      }
      const stream = file.createReadStream({ highWaterMark: READ_BUFFER_BYTES, start: first, end: last });
      const sendTo = async (sink: Writable): Promise<void> => {
        try {
          const warm = this.#warm.has(key, last) ? this.#hot.of(key) : null;
          await sendFile(file, { first, last }, sink, { warm });
          if (first === 0) this.#warm.sent(key, last);
        } finally {
          stream.destroy();
        }
      };
      return Object.assign(stream, { sendTo } satisfies SendsItself);
    });
  }

  async size(key: string): Promise<number | null> {
    try {
      return (await stat(this.#path('blobs', key))).size;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw typedError('cannot look at the blob', error);
    }
  }

  async delete(key: string): Promise<void> {
    this.#hot.drop(key);
    await withTypedErrors('cannot remove the blob', () => rm(this.#path('blobs', key), { force: true }));
  }

  async *listUnfinished(before: Date): AsyncIterable<string> {
    for (const shard of SHARDS) {
      const directory = join(this.#root, 'uploads', shard);
      for (const name of await withTypedErrors('cannot list the uploads', () => readdir(directory))) {
        const key = `${shard}/${name}`;
        const changedAt = await stat(join(directory, name)).then(
          ({ mtime }) => mtime,
          () => null,
        );
        if (KEY.test(key) && changedAt !== null && changedAt < before) yield key;
      }
    }
  }

  async #write(
    upload: StoredUpload,
    body: AsyncIterable<Uint8Array>,
    options: AppendOptions,
  ): Promise<AppendResult> {
    const path = this.#path('uploads', upload.key);
    const beforeWrite = options.beforeWrite ?? (async () => undefined);
    return withTypedErrors('cannot store the upload', async () => {
      await beforeWrite();
      // Whatever an append without a record has left is thrown away.
      const file = await this.#openUnfinished(upload, path, upload.offset === 0 ? constants.O_TRUNC : 0);
      if (file === null) throw lost(upload);
      try {
        if (upload.offset > 0) await truncateTo(file, upload.offset);
        const { offset, interruption } = await writeAll(file, upload.offset, body, beforeWrite);
        await file.datasync();
        if (options.isLast === true && interruption === undefined) {
          // What is moved at once need not outlive a loss of power where it is.
          this.#remember(upload.key, offset);
        } else if (upload.offset === 0) {
          await syncDirectory(dirname(path));
        }
        return { offset, state: null, interruption };
      } finally {
        await file.close();
      }
    });
  }

  /** What was there a moment ago may have been cancelled, or finished by another who has taken the upload over. */
  async #move(upload: StoredUpload, from: string, to: string): Promise<void> {
    try {
      await rename(from, to);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
      if ((await this.size(upload.key)) !== upload.offset) throw lost(upload);
    }
  }

  /** Null when there is none: it may be finished already. A new upload that nothing was appended to is empty. */
  async #openUnfinished(upload: StoredUpload, path: string, flags: number): Promise<FileHandle | null> {
    const mayBeNew = upload.offset === 0 && (await this.size(upload.key)) === null;
    try {
      return await open(path, constants.O_RDWR | flags | (mayBeNew ? constants.O_CREAT : 0), 0o640);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return null;
      throw error;
    }
  }

  /** Whether there is a file to move, synced and of the right size; false when it was moved before. */
  async #makeReady(upload: StoredUpload, path: string): Promise<boolean> {
    const file = await this.#openUnfinished(upload, path, 0);
    if (file === null) {
      if ((await this.size(upload.key)) !== upload.offset) throw lost(upload);
      return false;
    }
    try {
      await truncateTo(file, upload.offset);
      await file.datasync();
    } finally {
      await file.close();
    }
    return true;
  }

  /** A path beside that of the upload, which a sweep finds as it finds those of uploads that nobody knows. */
  #temporary(key: string): string {
    return this.#path('uploads', `${key.slice(0, 2)}/${randomUUID()}`);
  }

  #remember(key: string, sizeBytes: number): void {
    // Those whose end never came are few: their requests failed in between.
    if (this.#complete.size >= COMPLETE_MAX) this.#complete.clear();
    this.#complete.set(key, sizeBytes);
  }

  #path(area: 'uploads' | 'blobs', key: string): string {
    // Keys come from the database; a wrong one must not lead out of the directory.
    if (!KEY.test(key)) throw new BlobStorageError('STORAGE_FAILED', 'malformed object key', { detail: key });
    return join(this.#root, area, key);
  }
}

async function truncateTo(file: FileHandle, offset: number): Promise<void> {
  const { size } = await file.stat();
  if (size < offset)
    throw new BlobStorageError('UPLOAD_LOST', 'bytes of the upload are missing in the storage');
  if (size > offset) await file.truncate(offset);
}

async function writeAll(
  file: FileHandle,
  offset: number,
  body: AsyncIterable<Uint8Array>,
  beforeWrite: () => Promise<void>,
): Promise<{ offset: number; interruption: unknown }> {
  const writer = new BatchWriter(file, offset, beforeWrite);
  let interruption: unknown;
  let writeFailure: { readonly error: unknown } | undefined;
  try {
    for await (const chunk of body) {
      try {
        await writer.write(chunk);
      } catch (error) {
        writeFailure = { error };
        throw error;
      }
    }
  } catch (error) {
    if (writeFailure !== undefined) throw writeFailure.error;
    interruption = error ?? new Error('the body ended early');
  }
  return { offset: await writer.end(), interruption };
}

/** @throws what looking at the file fails with; it is closed then */
async function wholeOf(file: FileHandle): Promise<ObjectRange> {
  try {
    return { first: 0, last: (await file.stat()).size - 1 };
  } catch (error) {
    await file.close();
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function lost(upload: StoredUpload): BlobStorageError {
  return new BlobStorageError('UPLOAD_LOST', 'the upload is missing in the storage', { detail: upload.key });
}

async function withTypedErrors<T>(message: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof SluiceError ? error : typedError(message, error);
  }
}

function typedError(message: string, cause: unknown): BlobStorageError {
  switch (codeOf(cause)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new BlobStorageError('STORAGE_FULL', 'the blob storage is full', { cause });
    case 'EEXIST':
      return new BlobStorageError('UPLOAD_LOST', `${message}: it was finished before`, { cause });
    case 'ENOENT':
      return new BlobStorageError('OBJECT_MISSING', `${message}: it is not in the storage`, { cause });
    default:
      return new BlobStorageError('STORAGE_FAILED', message, { cause });
  }
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
