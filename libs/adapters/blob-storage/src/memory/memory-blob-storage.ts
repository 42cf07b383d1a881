import { randomUUID } from 'node:crypto';
import { Readable } from 'node:stream';
import { type AppendResult, BlobStorage, type ObjectRange, type StoredUpload } from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';

/** Blobs in the memory of one process, for tests and throw-away installations. */
export class MemoryBlobStorage extends BlobStorage {
  readonly #unfinished = new Map<string, { bytes: Buffer; changedAt: Date }>();
  readonly #objects = new Map<string, Buffer>();

  newKey(): string {
    return randomUUID();
  }

  async append(upload: StoredUpload, body: AsyncIterable<Uint8Array>): Promise<AppendResult> {
    const chunks = [this.#prefix(upload)];
    let interruption: unknown;
    try {
      for await (const chunk of body) chunks.push(Buffer.from(chunk));
    } catch (error) {
      interruption = error ?? new Error('the body ended early');
    }
    const bytes = Buffer.concat(chunks);
    this.#unfinished.set(upload.key, { bytes, changedAt: new Date() });
    return { offset: bytes.length, state: null, interruption };
  }

  async finish(upload: StoredUpload): Promise<void> {
    if (this.#objects.get(upload.key)?.length === upload.offset) return;
    this.#objects.set(upload.key, this.#prefix(upload));
    this.#unfinished.delete(upload.key);
  }

  async abort(upload: StoredUpload): Promise<void> {
    this.#unfinished.delete(upload.key);
    this.#objects.delete(upload.key);
  }

  async read(key: string, range?: ObjectRange): Promise<Readable> {
    const bytes = this.#objects.get(key);
    if (bytes === undefined) throw new BlobStorageError('OBJECT_MISSING', 'the object is not in the storage');
    return Readable.from([range === undefined ? bytes : bytes.subarray(range.first, range.last + 1)]);
  }

  async size(key: string): Promise<number | null> {
    return this.#objects.get(key)?.length ?? null;
  }

  async delete(key: string): Promise<void> {
    this.#objects.delete(key);
  }

  async *listUnfinished(before: Date): AsyncIterable<string> {
    for (const [key, { changedAt }] of this.#unfinished) if (changedAt < before) yield key;
  }

  #prefix(upload: StoredUpload): Buffer {
    const bytes = this.#unfinished.get(upload.key)?.bytes ?? Buffer.alloc(0);
    if (bytes.length < upload.offset) {
      throw new BlobStorageError('UPLOAD_LOST', 'bytes of the upload are missing in the storage');
    }
    return bytes.subarray(0, upload.offset);
  }
}
