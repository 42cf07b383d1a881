import { BlobStorageError } from '../errors.ts';
import { checkHeader, HEADER_BYTES, segmentBytes, type Slice, TAG_BYTES } from './layout.ts';
import type { ObjectCipher } from './object-cipher.ts';
import type { ObjectLayout } from './object-layout.ts';

/**
 * Decrypts the stored bytes of a slice. A segment is only handed over when it has proved to be what was stored.
 *
 * @param stored the bytes at `slice.stored`
 * @throws BlobStorageError OBJECT_TAMPERED
 */
export async function* openSlice(
  stored: AsyncIterable<Uint8Array>,
  cipher: ObjectCipher,
  layout: ObjectLayout,
  slice: Slice,
): AsyncGenerator<Buffer> {
  const source = new PieceReader(stored);
  yield* segments(source, cipher, layout, slice);
}

/**
 * Decrypts a whole object from its first stored byte.
 *
 * @throws BlobStorageError OBJECT_TAMPERED, also when there are bytes behind its end
 */
export async function* openWhole(
  stored: AsyncIterable<Uint8Array>,
  cipher: ObjectCipher,
  layout: ObjectLayout,
  slice: Slice,
): AsyncGenerator<Buffer> {
  const source = new PieceReader(stored);
  const header = Buffer.concat(await source.take(HEADER_BYTES));
  checkHeader(header);
  if (!header.equals(cipher.header)) {
    throw new BlobStorageError('OBJECT_TAMPERED', 'the header of the object is not the one that was stored');
  }
  yield* segments(source, cipher, layout, slice);
  if (!(await source.isAtEnd())) {
    throw new BlobStorageError('OBJECT_TAMPERED', 'the object is longer than what was stored');
  }
}

async function* segments(
  source: PieceReader,
  cipher: ObjectCipher,
  layout: ObjectLayout,
  slice: Slice,
): AsyncGenerator<Buffer> {
  let { skip, length } = slice;
  for (let index = slice.firstSegment; index <= slice.lastSegment; index += 1) {
    const pieces = await source.take(segmentBytes(layout.sizeBytes, index));
    const tag = Buffer.concat(await source.take(TAG_BYTES));
    for (const opened of cipher.openSegment(layout.place(index), pieces, tag)) {
      const wanted = opened.subarray(skip, skip + length);
      skip -= Math.min(skip, opened.length);
      length -= wanted.length;
      if (wanted.length > 0) yield wanted;
    }
  }
}

/** Hands a stream over in pieces of asked lengths, without copying. */
class PieceReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  /** @throws BlobStorageError OBJECT_TAMPERED when the stream ends before */
  async take(bytes: number): Promise<Uint8Array[]> {
    const pieces: Uint8Array[] = [];
    let missing = bytes;
    while (missing > 0) {
      if (this.#rest.length === 0) await this.#fill();
      const piece = this.#rest.subarray(0, missing);
      this.#rest = this.#rest.subarray(piece.length);
      missing -= piece.length;
      pieces.push(piece);
    }
    return pieces;
  }

  async isAtEnd(): Promise<boolean> {
    return this.#rest.length === 0 && (await this.#next()) === null;
  }

  async #fill(): Promise<void> {
    const chunk = await this.#next();
    if (chunk === null) {
      throw new BlobStorageError('OBJECT_TAMPERED', 'the object is shorter than what was stored');
    }
    this.#rest = chunk;
  }

  /** The next chunk that is not empty. */
  async #next(): Promise<Uint8Array | null> {
    for (;;) {
      const { done, value } = await this.#source.next();
      if (done === true) return null;
      if (value.length > 0) return value;
    }
  }
}
