import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import {
  type AppendOptions,
  type AppendResult,
  BlobStorage,
  type ObjectRange,
  type StoredUpload,
  type WantsLongChunks,
  wantsLongChunks,
} from '../blob-storage.ts';
import { BlobStorageError } from '../errors.ts';
import type { KeyEncryptionKeys, WrappedKey } from '../key-encryption-keys.ts';
import type { KeyEnvelopes } from '../key-envelopes.ts';
import { headerOf, looksEncrypted, SALT_BYTES, SEGMENT_BYTES, sliceOf, storedSize } from './layout.ts';
import { DATA_KEY_BYTES, ObjectCipher } from './object-cipher.ts';
import { ObjectLayout } from './object-layout.ts';
import { type OpenedObject, OpenedObjects } from './opened-objects.ts';
import { PREFIX_BYTES, Runs } from './runs.ts';
import { openedStream } from './opened-stream.ts';
import { SegmentOpener } from './segment-opener.ts';
import { SegmentWriter } from './segment-writer.ts';
import { decodeState, encodeState, storedOffset, tailPurpose, type UploadState } from './upload-state.ts';

/**
 * Encrypts everything on its way into another storage (docs/adr/0008-encrypted-storage.md). Sizes and ranges are those
 * of the content.
 *
 * Objects that lie there from before encryption was switched on have no envelope and are read as they are. Presigned
 * redirects are not offered, whatever the storage below can do: its bytes are not those of the blob.
 */
export class EncryptedBlobStorage extends BlobStorage {
  readonly #storage: BlobStorage;
  readonly #keys: KeyEncryptionKeys;
  readonly #envelopes: KeyEnvelopes;
  readonly #opened = new OpenedObjects();

  private constructor(storage: BlobStorage, keys: KeyEncryptionKeys, envelopes: KeyEnvelopes) {
    super();
    this.#storage = storage;
    this.#keys = keys;
    this.#envelopes = envelopes;
  }

  static over(storage: BlobStorage, keys: KeyEncryptionKeys, envelopes: KeyEnvelopes): EncryptedBlobStorage {
    const encrypted = new EncryptedBlobStorage(storage, keys, envelopes);
    // What costs the storage below dearly costs here as well.
    return wantsLongChunks(storage)
      ? Object.assign(encrypted, { chunkMinBytes: storage.chunkMinBytes } satisfies WantsLongChunks)
      : encrypted;
  }

  newKey(): string {
    return this.#storage.newKey();
  }

  async append(
    upload: StoredUpload,
    body: AsyncIterable<Uint8Array>,
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    const known = decodeState(upload);
    const state = known ?? (await this.#begin(upload.key));
    const cipher = await this.#cipherOf(upload.key, state);
    // Whatever an append without a record has left is written over; a prefix of its own keeps the nonces apart.
    const prefix = randomBytes(PREFIX_BYTES);
    const writer = new SegmentWriter(cipher, prefix, state.segments);
    const source = new EncryptedBody(writer, body);
    const start = cipher.openSide(tailPurpose(state.segments), state.tail);
    const inner = await this.#storage.append(
      known === null
        ? { key: upload.key, offset: 0, state: null }
        : { key: upload.key, offset: storedOffset(state), state: state.inner },
      source.stored(known === null ? state.header : null, start),
      // The last segment is still to come, with finish().
      { ...options, isLast: false },
    );
    // The body itself breaks off without a word to the storage below: this is about the encryption.
    if (inner.interruption !== undefined) throw inner.interruption;
    const tail = writer.tail();
    const next: UploadState = {
      ...state,
      runs:
        writer.segments === state.segments
          ? state.runs
          : state.runs.with({ firstSegment: state.segments, prefix }),
      segments: writer.segments,
      tail: cipher.sealSide(tailPurpose(writer.segments), tail),
      lastPrefix: randomBytes(PREFIX_BYTES),
      inner: inner.state,
    };
    return {
      offset: writer.segments * SEGMENT_BYTES + tail.length,
      state: encodeState(next),
      interruption: source.interruption,
    };
  }

  async finish(upload: StoredUpload): Promise<void> {
    const known = decodeState(upload);
    if (known === null && (await this.size(upload.key)) === 0) return;
    const state = known ?? (await this.#begin(upload.key));
    const cipher = await this.#cipherOf(upload.key, state);
    const layout = new ObjectLayout(upload.offset, state.runs, state.lastPrefix);
    const tail = cipher.openSide(tailPurpose(state.segments), state.tail);
    // The same bytes however often, because the state names the nonce for this very content.
    const last = cipher.sealSegment(layout.place(state.segments), [tail]);
    try {
      const { offset, state: inner } = await this.#storage.append(
        known === null
          ? { key: upload.key, offset: 0, state: null }
          : { key: upload.key, offset: storedOffset(state), state: state.inner },
        chunks(known === null ? [state.header, ...last] : last),
      );
      // Before the object can be seen, so that there is never one without an envelope, and after the storage has
      // taken the last segment, which it does not of a finished object: that one has its envelope.
      await this.#envelopes.put(upload.key, { ...state.key, seal: layout.seal(cipher) });
      await this.#storage.finish({ key: upload.key, offset, state: inner });
    } catch (error) {
      if (!(error instanceof BlobStorageError) || error.code !== 'UPLOAD_LOST') throw error;
      // An earlier call may have ended between the end of its work and the answer.
      const stored = await this.#storage.size(upload.key);
      if (stored === null) await this.#envelopes.remove(upload.key);
      if (stored !== storedSize(upload.offset) || !(await this.#isSealed(upload.key, layout))) throw error;
    }
    // Not kept: until it is committed, another replica may finish the upload in its own way.
    this.#opened.forget(upload.key);
  }

  async abort(upload: StoredUpload): Promise<void> {
    await this.#storage.abort(this.#below(upload));
    await this.#forget(upload.key);
  }

  async read(key: string, range?: ObjectRange): Promise<Readable> {
    const opened = await this.#open(key);
    if (opened === null) return this.#readPlain(key, range);
    const { cipher, layout } = opened;
    const isWhole = range === undefined || (range.first === 0 && range.last === layout.sizeBytes - 1);
    const slice = sliceOf(layout.sizeBytes, range ?? { first: 0, last: Math.max(0, layout.sizeBytes - 1) });
    const stored = await this.#storage.read(key, isWhole ? undefined : slice.stored);
    return openedStream(stored, new SegmentOpener(cipher, layout, slice, isWhole));
  }

  async size(key: string): Promise<number | null> {
    const stored = await this.#storage.size(key);
    if (stored === null) return null;
    return (await this.#open(key))?.layout.sizeBytes ?? stored;
  }

  async delete(key: string): Promise<void> {
    await this.#storage.delete(key);
    await this.#forget(key);
  }

  listUnfinished(before: Date): AsyncIterable<string> {
    return this.#storage.listUnfinished(before);
  }

  /** What is known of an upload before its first append: a data key that nothing else was ever encrypted with. */
  async #begin(objectKey: string): Promise<UploadState> {
    const dataKey = randomBytes(DATA_KEY_BYTES);
    const header = headerOf(randomBytes(SALT_BYTES));
    const domain = await this.#envelopes.domainOf(objectKey);
    const cipher = new ObjectCipher(dataKey, header, objectKey);
    const key = await this.#keys.wrap(domain, dataKey, objectKey);
    dataKey.fill(0);
    this.#opened.keep(objectKey, { cipher, layout: null });
    return {
      header,
      key,
      runs: new Runs(),
      segments: 0,
      tail: cipher.sealSide(tailPurpose(0), Buffer.alloc(0)),
      lastPrefix: randomBytes(PREFIX_BYTES),
      inner: null,
    };
  }

  async #cipherOf(objectKey: string, state: UploadState): Promise<ObjectCipher> {
    const opened = this.#opened.get(objectKey);
    // A first append that was repeated has begun again with another key.
    if (opened !== null && opened.cipher.header.equals(state.header)) return opened.cipher;
    const cipher = new ObjectCipher(await this.#unwrap(state.key, objectKey), state.header, objectKey);
    this.#opened.keep(objectKey, { cipher, layout: null });
    return cipher;
  }

  /** Null for an object without an envelope. */
  async #open(objectKey: string): Promise<(OpenedObject & { layout: ObjectLayout }) | null> {
    const opened = this.#opened.get(objectKey);
    if (opened !== null && opened.layout !== null) return { cipher: opened.cipher, layout: opened.layout };
    const envelope = await this.#envelopes.find(objectKey);
    if (envelope === null) return null;
    const found = ObjectLayout.open(await this.#unwrap(envelope, objectKey), envelope.seal, objectKey);
    this.#opened.keep(objectKey, found);
    return found;
  }

  /** Whether what is stored is of this very layout, and not what another attempt at the end of the upload has left. */
  async #isSealed(objectKey: string, layout: ObjectLayout): Promise<boolean> {
    this.#opened.forget(objectKey);
    const found = await this.#open(objectKey);
    return found !== null && found.layout.equals(layout);
  }

  #unwrap(key: WrappedKey, objectKey: string): Promise<Uint8Array> {
    return this.#keys.unwrap(key, objectKey);
  }

  async #readPlain(key: string, range: ObjectRange | undefined): Promise<Readable> {
    const size = await this.#storage.size(key);
    if (size === null) throw new BlobStorageError('OBJECT_MISSING', 'the object is not in the storage');
    if (size > 0) {
      const last = Math.min(size, SALT_BYTES) - 1;
      const beginning = await this.#storage.read(key, { first: 0, last });
      if (looksEncrypted(await buffer(beginning))) {
        throw new BlobStorageError('KEY_UNAVAILABLE', 'the object is encrypted and its key envelope is lost');
      }
    }
    return this.#storage.read(key, range);
  }

  #below(upload: StoredUpload): StoredUpload {
    try {
      const state = decodeState(upload);
      if (state !== null) return { key: upload.key, offset: storedOffset(state), state: state.inner };
    } catch (error) {
      if (!(error instanceof BlobStorageError)) throw error;
    }
    return { key: upload.key, offset: 0, state: null };
  }

  async #forget(objectKey: string): Promise<void> {
    this.#opened.forget(objectKey);
    await this.#envelopes.remove(objectKey);
  }
}

/** Encrypts a body for the storage below, and ends quietly where the body breaks off. */
class EncryptedBody {
  readonly #writer: SegmentWriter;
  readonly #body: AsyncIterable<Uint8Array>;
  interruption: unknown;

  constructor(writer: SegmentWriter, body: AsyncIterable<Uint8Array>) {
    this.#writer = writer;
    this.#body = body;
  }

  /** @param start what earlier appends have left of a segment */
  async *stored(header: Buffer | null, start: Buffer): AsyncGenerator<Uint8Array> {
    if (header !== null) yield header;
    yield* this.#writer.push(start);
    const body = this.#body[Symbol.asyncIterator]();
    try {
      for (;;) {
        const chunk = await this.#next(body);
        if (chunk === null) return;
        yield* this.#writer.push(chunk);
      }
    } finally {
      // Only this tells a body that is not read to its end that nobody will.
      await body.return?.();
    }
  }

  async #next(body: AsyncIterator<Uint8Array>): Promise<Uint8Array | null> {
    try {
      const { done, value } = await body.next();
      return done === true ? null : value;
    } catch (error) {
      this.interruption = error ?? new Error('the body ended early');
      return null;
    }
  }
}

async function* chunks(all: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* all;
}
